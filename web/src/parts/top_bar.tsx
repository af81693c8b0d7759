import { duration } from '../model/time';
import { setFilter } from '../state/actions';
import { switchTheme } from '../state/theming';
import { useParts } from './context';
import { Icon } from './icon';
import { PictureMenu } from './picture_menu';
import { SearchBox } from './search_box';

function Progress() {
  const { store } = useParts();
  const progress = store.run.value?.progress;
  if (!store.run.value) return <span class="muted">opening the run …</span>;
  if (!progress || progress.failure) return null;
  if (!progress.done) {
    const part = progress.switches * 0.25 + progress.rows * 0.75;
    return (
      <span class="progress">
        <progress max={1} value={part} aria-label="reading the run" />
        <span class="muted">reading, {Math.round(part * 100)} %</span>
      </span>
    );
  }
  if (!store.run.value.findings_ready) return <span class="muted">looking for what is wrong …</span>;
  return null;
}

export function TopBar() {
  const { store, report } = useParts();
  const run = store.run.value;
  const dark = store.theme.value.name === 'dark';
  return (
    <header class="bar">
      <span class="brand">ivtrace</span>
      {run && (
        <span class="run-name" title={run.command.join(' ')}>
          {run.name}
          <span class="muted"> {duration(run.duration_ns)}</span>
          {report && <span class="tag">report</span>}
        </span>
      )}
      <Progress />
      <span class="spring" />
      <SearchBox />
      <input
        id="filter"
        class="field filter"
        type="search"
        placeholder="Filter rows"
        aria-label="Filter rows"
        title="Filter rows by machine, kind and name (R)"
        value={store.choices.value.filter}
        onInput={(event) => setFilter(store, event.currentTarget.value)}
      />
      <PictureMenu />
      <button
        class="plain"
        id="theme"
        aria-label={dark ? 'Light colours' : 'Dark colours'}
        title={dark ? 'Light colours' : 'Dark colours'}
        onClick={() => switchTheme(store)}
      >
        <Icon name="theme" />
      </button>
      <button
        class="plain"
        id="help"
        aria-label="Keys and help"
        title="Keys and help (?)"
        onClick={() => (store.keysOpen.value = true)}
      >
        <Icon name="keys" />
      </button>
      <button
        class="plain"
        id="panel-toggle"
        aria-label={store.panelOpen.value ? 'Fold the panel' : 'Open the panel'}
        aria-expanded={store.panelOpen.value}
        title="Panel (E)"
        onClick={() => (store.panelOpen.value = !store.panelOpen.value)}
      >
        <Icon name="panel" />
      </button>
    </header>
  );
}
