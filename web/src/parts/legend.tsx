import { useParts } from './context';
import { legendOf } from '../draw/legend';

/** What the colours in sight mean; each says more under the pointer. */
export function Legend() {
  const { store, painter } = useParts();
  for (const one of [store.tiles, store.scroll, store.layout, store.theme, store.target]) void one.value;
  const scene = painter.scene;
  if (!scene) return <div class="legend" />;
  return (
    <ul class="legend" aria-label="Colours">
      {legendOf(scene).map((entry) => (
        <li key={entry.name} title={entry.text}>
          <span class={`swatch ${entry.hatch ?? ''}`} style={{ '--swatch': entry.colour }} />
          {entry.name}
        </li>
      ))}
    </ul>
  );
}
