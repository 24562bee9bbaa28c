import { Select, SelectItem } from "@carbon/react";
import { duration } from "../../ui/format";

/** The usual lifetimes, and whatever other one is set. */
export function LifetimeSelect(props: {
  id: string;
  label: string;
  choices: number[];
  value: number;
  onChange: (seconds: number) => void;
}) {
  const choices = props.choices.includes(props.value)
    ? props.choices
    : [...props.choices, props.value].sort((a, b) => a - b);
  return (
    <Select
      id={props.id}
      labelText={props.label}
      value={String(props.value)}
      onChange={(event) => props.onChange(Number(event.target.value))}
    >
      {choices.map((seconds) => (
        <SelectItem key={seconds} value={String(seconds)} text={duration(seconds)} />
      ))}
    </Select>
  );
}
