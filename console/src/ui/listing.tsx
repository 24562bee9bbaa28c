import type { ReactNode } from "react";
import { Table, TableBody, TableCell, TableContainer, TableHead, TableHeader, TableRow } from "@carbon/react";

export interface Column<T> {
  title: string;
  cell: (row: T) => ReactNode;
  /** Holds buttons: no visible heading, kept to the right. */
  actions?: boolean;
}

/** A table that becomes a list of labelled blocks on narrow screens. */
export function Listing<T>(props: {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
}) {
  const { label, columns, rows, rowKey } = props;
  return (
    <TableContainer className="v-listing">
      <Table aria-label={label} size="lg">
        <TableHead>
          <TableRow>
            {columns.map((column) => (
              <TableHeader key={column.title} className={column.actions ? "v-cell-actions" : ""}>
                {column.actions ? <span className="v-only-heard">{column.title}</span> : column.title}
              </TableHeader>
            ))}
          </TableRow>
        </TableHead>
        <TableBody>
          {rows.map((row) => (
            <TableRow key={rowKey(row)}>
              {columns.map((column) => (
                <TableCell
                  key={column.title}
                  data-label={column.actions ? undefined : column.title}
                  className={column.actions ? "v-cell-actions" : ""}
                >
                  <div className="v-cell">{column.cell(row)}</div>
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </TableContainer>
  );
}
