import { createContext } from "react";

/** Lets an instance's pages tell the navigation the instance's name. */
export const InstanceNameContext = createContext<(name: string) => void>(() => {});
