// Grafana's type of a dashboard, with the texts of enumerations as JSON has them.
import type { Dashboard } from "@grafana/schema";

type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends (infer Item)[]
        ? Plain<Item>[]
        : { [Key in keyof T]: Plain<T[Key]> };

export type PlainDashboard = Plain<Dashboard>;
