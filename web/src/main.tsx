// The page: from the program that serves it, or out of the report that it lies in.

import './style/page.css';
import './style/stage.css';
import './style/panel.css';
import './style/print.css';
import { render } from 'preact';
import { HttpSource } from './api/http';
import { ReportSource, embeddedReport } from './api/report';
import { fromHash } from './model/url';
import { App } from './parts/app';
import { Parts } from './parts/context';
import { go } from './state/actions';
import { apply, keepUrl } from './state/history';
import { Loader } from './state/loader';
import { Painter } from './state/painter';
import { fillCache } from './state/report_tiles';
import { follow, showStretch } from './state/poll';
import { Store } from './state/store';
import { followTheme } from './state/theming';

const report = embeddedReport(document);
const reduced = matchMedia('(prefers-reduced-motion: reduce)');
const store = new Store(report ? new ReportSource(report) : new HttpSource(), () => reduced.matches);
const loader = new Loader(store);
const painter = new Painter(store, loader);

followTheme(store, () => painter.now());
const start = fromHash(location.hash);
apply(store, start);
if (report) {
  store.run.value = report.run;
  fillCache(store, report);
}

// Before the first picture: the URL's view, else a report's stretch, else the whole run.
void follow(store, () => {
  if (start.view) go(store, start.view, false);
  else if (report) showStretch(store, report);
  else go(store, store.whole(), false);
});
keepUrl(store);

render(
  <Parts.Provider value={{ store, loader, painter, report }}>
    <App />
  </Parts.Provider>,
  document.getElementById('app')!,
);
