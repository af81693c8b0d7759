import { useState } from 'preact/hooks';
import { pictureName, ruler, toPng, toSvg } from '../draw/picture';
import { makeAxisScene } from '../state/scene';
import { useParts } from './context';
import { download } from './download';
import { Icon } from './icon';

export function PictureMenu() {
  const { store, painter } = useParts();
  const [open, setOpen] = useState(false);
  const save = async (kind: 'png' | 'svg'): Promise<void> => {
    setOpen(false);
    const { scene } = painter;
    if (!scene) return;
    // The pointer is no part of the picture.
    const still = { ...scene, hovered: null };
    const axis = makeAxisScene(store);
    const blob =
      kind === 'png' ? await toPng(still, axis) : new Blob([toSvg(still, axis, ruler())], { type: 'image/svg+xml' });
    download(blob, pictureName(scene, kind));
    store.said.value = `picture saved as ${pictureName(scene, kind)}`;
  };
  return (
    <div
      class="menu"
      onFocusOut={(event) => {
        if (!(event.relatedTarget instanceof Node) || !event.currentTarget.contains(event.relatedTarget))
          setOpen(false);
      }}
    >
      <button
        class="plain"
        id="picture"
        aria-label="Picture of the view"
        title="Picture of the view"
        aria-expanded={open}
        aria-haspopup="menu"
        onClick={() => setOpen(!open)}
      >
        <Icon name="picture" />
      </button>
      {open && (
        <div class="menu-list" role="menu">
          <button role="menuitem" id="picture-png" onClick={() => void save('png')}>
            Picture (PNG)
          </button>
          <button role="menuitem" id="picture-svg" onClick={() => void save('svg')}>
            Drawing (SVG)
          </button>
        </div>
      )}
    </div>
  );
}
