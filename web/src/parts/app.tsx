import { useEffect } from 'preact/hooks';
import { commandFor } from '../input/keys';
import { runCommand } from '../input/run_command';
import { Panel } from '../panels/panel';
import { useParts } from './context';
import { KeysDialog } from './keys_dialog';
import { Notices } from './notices';
import { Stage } from './stage';
import { TopBar } from './top_bar';

const typingIn = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.matches('input, textarea, select') || target.isContentEditable);

/** On a row of a table, a tab or a button Enter and the space bar press what has the focus. */
const pressing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('button, a, [role=tab], summary') !== null;

export function App() {
  const { store, painter } = useParts();
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const typing = typingIn(event.target);
      if (event.key === 'Escape' && typing) {
        (event.target as HTMLElement).blur();
        return;
      }
      const command = commandFor(event, typing, pressing(event.target));
      if (!command || (store.keysOpen.peek() && command !== 'keys' && command !== 'escape')) return;
      event.preventDefault();
      runCommand(command, store, painter);
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [store, painter]);
  const run = store.run.value;
  useEffect(() => {
    if (run) document.title = `${run.name} – ivtrace`;
  }, [run?.name]);
  return (
    <div class={`app${store.panelOpen.value ? '' : ' no-panel'}`}>
      <TopBar />
      <Notices />
      <main class="main">
        <Stage />
        <Panel />
      </main>
      <div class="visually-hidden" role="status" aria-live="polite">
        {store.said.value}
      </div>
      {store.keysOpen.value && <KeysDialog />}
    </div>
  );
}
