import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { ReportJson } from '../api/types';
import type { Loader } from '../state/loader';
import type { Painter } from '../state/painter';
import type { Store } from '../state/store';

/** What every component may use. */
export interface PartsValue {
  store: Store;
  loader: Loader;
  painter: Painter;
  /** Not null: the page is a report. */
  report: ReportJson | null;
}

export const Parts = createContext<PartsValue>(null as unknown as PartsValue);

export const useParts = (): PartsValue => useContext(Parts);
export const useStore = (): Store => useContext(Parts).store;
