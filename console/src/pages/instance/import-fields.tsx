import { Select, SelectItem } from "@carbon/react";
import type { ConflictPolicy } from "../../api/jobs";

/** A file to be sent. `said` tells what is known of the one that was chosen. */
export function FileField(props: { accept: string; said: string; onChoose: (file: File) => void }) {
  return (
    <div>
      <label className="cds--label" htmlFor="import-file">
        File
      </label>
      <input
        id="import-file"
        className="v-file"
        type="file"
        accept={props.accept}
        onChange={(event) => {
          const chosen = event.target.files?.[0];
          if (chosen) props.onChoose(chosen);
        }}
      />
      {props.said && (
        <p className="v-small" role="status">
          {props.said}
        </p>
      )}
    </div>
  );
}

export function PolicyField(props: {
  value: ConflictPolicy;
  disabled?: boolean;
  onChange: (value: ConflictPolicy) => void;
}) {
  return (
    <Select
      id="on-conflict"
      labelText="Users who exist already"
      value={props.value}
      disabled={props.disabled}
      onChange={(event) => props.onChange(event.target.value as ConflictPolicy)}
    >
      <SelectItem value="fail" text="Stay as they are and are reported" />
      <SelectItem value="skip" text="Stay as they are and are counted only" />
      <SelectItem value="update" text="Are changed to what the file says" />
    </Select>
  );
}
