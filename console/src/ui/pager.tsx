import { Button } from "@carbon/react";
import { count } from "./format";

/** Steps through a list that the service pages by start index. */
export function Pager(props: {
  start: number;
  size: number;
  shown: number;
  total: number | undefined;
  onMove: (start: number) => void;
}) {
  const { start, size, shown, total, onMove } = props;
  const more = total === undefined ? shown === size : start + shown < total;
  if (start === 0 && !more) {
    return <p className="v-small">{`${count(total ?? shown)} in all`}</p>;
  }
  return (
    <nav className="v-pager" aria-label="Pages">
      <span>
        {shown === 0 ? "Nothing here" : `${count(start + 1)}–${count(start + shown)}`}
        {total !== undefined && ` of ${count(total)}`}
      </span>
      <Button kind="ghost" size="md" disabled={start === 0} onClick={() => onMove(Math.max(0, start - size))}>
        Previous
      </Button>
      <Button kind="ghost" size="md" disabled={!more} onClick={() => onMove(start + size)}>
        Next
      </Button>
    </nav>
  );
}
