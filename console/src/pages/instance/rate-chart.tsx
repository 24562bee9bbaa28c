import { useId } from "react";
import { perSecond, timeTaken } from "../../ui/format";
import type { Sample } from "./use-job";

const WIDTH = 600;
const HEIGHT = 120;

/** How fast a job went while this page watched it, drawn and said. */
export function RateChart({ samples }: { samples: Sample[] }) {
  const said = useId();
  const rates = ratesOf(samples);
  const first = rates[0];
  const last = rates.at(-1);
  if (!first || !last || rates.length < FEW) return null;
  const highest = Math.max(...rates.map((one) => one.rate));
  const lowest = Math.min(...rates.map((one) => one.rate));
  const top = roundUp(highest);
  const span = last.at - first.at || 1;
  const points = rates.map(({ at, rate }) => {
    const x = ((at - first.at) / span) * WIDTH;
    const y = HEIGHT - (rate / top) * HEIGHT;
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  const line = `M${points.join("L")}`;
  return (
    <figure className="v-chart">
      <div className="v-chart-plot">
        <span className="v-chart-top" aria-hidden="true">
          {perSecond(top)}
        </span>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-labelledby={said}
          focusable="false"
        >
          {[0, HEIGHT / 2, HEIGHT].map((y) => (
            <line key={y} className="v-chart-grid" x1="0" x2={WIDTH} y1={y} y2={y} />
          ))}
          <path className="v-chart-area" d={`${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />
          <path className="v-chart-line" d={line} />
        </svg>
      </div>
      <figcaption id={said} className="v-small">
        {`While this page watched, for ${timeTaken(last.at - (samples[0]?.at ?? first.at))}: between ${perSecond(lowest)} and ${perSecond(highest)}; ${perSecond(last.rate)} at the end.`}
      </figcaption>
    </figure>
  );
}

/** Records are counted checkpoint by checkpoint, so a speed is taken over this many milliseconds at least. */
const WINDOW = 2000;
/** Points below which there is nothing to see. */
const FEW = 4;

/** Whether there is enough to draw. */
export function hasChart(samples: Sample[]): boolean {
  return ratesOf(samples).length >= FEW;
}

function ratesOf(samples: Sample[]): { at: number; rate: number }[] {
  let from = 0;
  return samples.flatMap(({ at, done }) => {
    while (at - (samples[from + 1]?.at ?? at) >= WINDOW) from += 1;
    const before = samples[from];
    if (!before || at - before.at < WINDOW) return [];
    return [{ at, rate: ((done - before.done) * 1000) / (at - before.at) }];
  });
}

/** The next number that is easy to read an axis by: 1, 2 or 5 with noughts. */
function roundUp(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((one) => one * power >= value) ?? 10;
  return step * power;
}
