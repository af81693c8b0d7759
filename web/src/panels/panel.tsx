import { showTab } from '../state/actions';
import type { Tab } from '../model/url';
import { useParts } from '../parts/context';
import { FindingsPanel } from './findings';
import { RangePanel } from './range';
import { SelectionPanel } from './selection';
import { SqlPanel } from './sql';

const kTabs: [Tab, string][] = [
  ['findings', 'Findings'],
  ['selection', 'Selection'],
  ['range', 'Range'],
  ['sql', 'SQL'],
];

export function Panel() {
  const { store } = useParts();
  const tab = store.tab.value;
  const findings = store.findings.value;
  const number = findings.is === 'there' ? findings.value.findings.length : 0;
  const tabs = kTabs.filter(([name]) => name !== 'sql' || store.source.live);
  const move = (event: KeyboardEvent): void => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const at = tabs.findIndex(([name]) => name === tab);
    const [next] = tabs[(at + by + tabs.length) % tabs.length];
    showTab(store, next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <aside class="panel" aria-label="Details" hidden={!store.panelOpen.value}>
      <div class="tabs" role="tablist" onKeyDown={move}>
        {tabs.map(([name, title]) => (
          <button
            key={name}
            id={`tab-${name}`}
            role="tab"
            aria-selected={tab === name}
            aria-controls="panel-body"
            tabIndex={tab === name ? 0 : -1}
            onClick={() => showTab(store, name)}
          >
            {title}
            {name === 'findings' && number > 0 && <span class="number">{number}</span>}
          </button>
        ))}
      </div>
      <div class="panel-body" id="panel-body" role="tabpanel" aria-labelledby={`tab-${tab}`} data-tab={tab}>
        {tab === 'findings' && <FindingsPanel />}
        {tab === 'selection' && <SelectionPanel />}
        {tab === 'range' && <RangePanel />}
        {tab === 'sql' && <SqlPanel />}
      </div>
    </aside>
  );
}
