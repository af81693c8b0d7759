import { useStore } from './context';

/** What the colours in sight mean; each says more under the pointer. */
export function Legend() {
  const store = useStore();
  return (
    <ul class="legend" aria-label="Colours">
      {store.legend.value.map((entry) => (
        <li key={entry.name} title={entry.text}>
          <span class={`swatch ${entry.hatch ?? ''}`} style={{ '--swatch': entry.colour }} />
          {entry.name}
        </li>
      ))}
    </ul>
  );
}
