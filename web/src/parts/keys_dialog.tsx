import { useEffect, useRef } from 'preact/hooks';
import { kBindings, keyName, type Binding } from '../input/keys';
import { useStore } from './context';
import { Icon } from './icon';

const kMouse: [string, string][] = [
  ['Drag', 'moves the time, and the rows'],
  ['Shift and drag, or drag on the time axis', 'selects a range'],
  ['Click', 'selects what lies there'],
  ['Wheel', 'scrolls the rows'],
  ['Ctrl and wheel', 'zooms at the pointer'],
  ['Shift and wheel', 'to earlier and later times'],
  ['Drag on the strip of the whole run', 'goes there'],
];

const Keys = ({ binding }: { binding: Binding }) => (
  <dt>
    {binding.keys.map((key) => (
      <>
        {binding.shift && <kbd>Shift</kbd>}
        <kbd>{keyName(key)}</kbd>
      </>
    ))}
  </dt>
);

export function KeysDialog() {
  const store = useStore();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    return () => before?.focus?.();
  }, []);
  const close = (): void => {
    store.keysOpen.value = false;
  };
  return (
    <dialog
      class="keys"
      ref={dialog}
      aria-labelledby="keys-title"
      onClose={close}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="keys-body">
        <div class="keys-head">
          <h2 id="keys-title">Keys and pointer</h2>
          <button class="plain" aria-label="Close" onClick={close}>
            <Icon name="close" />
          </button>
        </div>
        <div class="keys-columns">
          {(['Move', 'Select', 'Rows', 'Page'] as const).map((group) => (
            <section key={group}>
              <h3>{group}</h3>
              <dl>
                {kBindings
                  .filter((binding) => binding.group === group)
                  .map((binding) => (
                    <div>
                      <Keys binding={binding} />
                      <dd>{binding.text}</dd>
                    </div>
                  ))}
              </dl>
            </section>
          ))}
          <section class="wide">
            <h3>Pointer</h3>
            <dl>
              {kMouse.map(([how, what]) => (
                <div>
                  <dt>{how}</dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        </div>
        <p class="muted">
          The address brings back the view: send it, or its part behind the #, to somebody who has the same run.
        </p>
      </div>
    </dialog>
  );
}
