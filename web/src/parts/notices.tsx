import { useState } from 'preact/hooks';
import { Icon } from './icon';
import { useStore } from './context';

/** What people should know before they believe what they see. Closed by hand; trouble stays. */
export function Notices() {
  const store = useStore();
  const [closed, setClosed] = useState('');
  const run = store.run.value;
  const lines = [...(run?.notices ?? [])];
  if (run?.damaged)
    lines.unshift(
      'The run is damaged or events were lost: hatched places show where nothing, or too little, is known.',
    );
  const key = lines.join('\n');
  return (
    <>
      {[...new Set([store.trouble.value, store.silent.value])].filter(Boolean).map((text) => (
        <div class="notice trouble" role="alert" key={text}>
          <div>{text}</div>
        </div>
      ))}
      {lines.length > 0 && closed !== key && (
        <div class="notice" role="note">
          <details open={lines.length === 1}>
            <summary>{lines.length === 1 ? 'A note on this run' : `${lines.length} notes on this run`}</summary>
            {lines.map((line) => (
              <div>{line}</div>
            ))}
          </details>
          <button class="plain" aria-label="Close the notes" onClick={() => setClosed(key)}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </>
  );
}
