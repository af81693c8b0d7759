// Icons as strokes of one width, in the text's colour.

const kPaths: Record<string, string> = {
  fold: 'M5 6l3 3 3-3',
  open: 'M6 5l3 3-3 3',
  pin: 'M6 2h4M7 2v4l-2 3h6L9 6V2M8 9v5',
  hide: 'M2 8s2.2-4 6-4 6 4 6 4-2.2 4-6 4-6-4-6-4zM3 13L13 3',
  show: 'M2 8s2.2-4 6-4 6 4 6 4-2.2 4-6 4-6-4-6-4zM8 6.5a1.5 1.5 0 100 3 1.5 1.5 0 000-3z',
  theme: 'M8 2.5a5.5 5.5 0 100 11zM8 2.5a5.5 5.5 0 010 11',
  picture: 'M2.5 3.5h11v9h-11zM2.5 10.5l3-3 2.5 2.5 2-2 3.5 3',
  keys: 'M6 6.2A2 2 0 118.6 8c-.5.3-.6.7-.6 1.3M8 11.8v.4',
  close: 'M4 4l8 8M12 4l-8 8',
  panel: 'M2.5 3.5h11v9h-11zM9.5 3.5v9',
  left: 'M10 4L6 8l4 4',
  right: 'M6 4l4 4-4 4',
  search: 'M7 3a4 4 0 100 8 4 4 0 000-8zM10 10l3.5 3.5',
};

export function Icon({ name }: { name: keyof typeof kPaths }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path
        d={kPaths[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.4"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
