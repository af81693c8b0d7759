import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, isAbort } from '../api/source';
import type { SearchHit } from '../api/types';
import { count, moment } from '../model/time';
import { goTo, reveal, showFinding } from '../state/actions';
import type { Store } from '../state/store';
import { useStore } from './context';

const kLimit = 40;
const kTypingMs = 150;

function visit(store: Store, hit: SearchHit): void {
  if (hit.what === 'finding') {
    const answer = store.findings.peek();
    const index =
      answer.is === 'there'
        ? answer.value.findings.findIndex(
            (one) => one.from === hit.first && one.until === hit.last && hit.text === `${one.victim}: ${one.title}`,
          )
        : -1;
    if (index >= 0) return showFinding(store, index);
  }
  if (hit.track < 0) return;
  if (hit.what === 'track' || hit.count === 0) {
    store.current.value = hit.track;
    return reveal(store, hit.track);
  }
  void goTo(store, { track: hit.track, from: hit.first, until: hit.first + 1, row: 0 });
}

export function SearchBox() {
  const store = useStore();
  const [text, setText] = useState('');
  const [hits, setHits] = useState<SearchHit[] | null>(null);
  const [word, setWord] = useState('');
  const [at, setAt] = useState(0);
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    setAt(0);
    if (!text.trim()) {
      setHits(null);
      setWord('');
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      store.source.search(text.trim(), kLimit, abort.signal).then(
        (list) => {
          setHits(list);
          setWord(list.length ? '' : 'Nothing of that name.');
        },
        (error) => {
          if (isAbort(error)) return;
          setHits([]);
          setWord(
            error instanceof ApiError && error.early ? 'The run is still being read.' : String(error.message ?? error),
          );
        },
      );
    }, kTypingMs);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text, store]);

  const close = (): void => {
    setText('');
    field.current?.blur();
  };
  const choose = (hit: SearchHit): void => {
    visit(store, hit);
    close();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown') setAt(Math.min(at + 1, (hits?.length ?? 1) - 1));
    else if (event.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
    else if (event.key === 'Enter' && hits?.[at]) choose(hits[at]);
    else if (event.key === 'Escape') close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="search">
      <input
        id="search"
        ref={field}
        class="field"
        type="search"
        placeholder="Search  /"
        aria-label="Search tasks, disks and interrupts"
        role="combobox"
        aria-expanded={hits !== null}
        aria-controls="hits"
        aria-activedescendant={hits?.length ? `hit-${at}` : undefined}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={key}
      />
      {hits && (
        <ul id="hits" class="hits" role="listbox" aria-label="What was found">
          {word && <li class="muted none">{word}</li>}
          {hits.map((hit, i) => (
            <li
              id={`hit-${i}`}
              key={i}
              role="option"
              aria-selected={i === at}
              onPointerDown={(event) => {
                event.preventDefault();
                choose(hit);
              }}
            >
              <span class="what">{hit.what}</span>
              <span class="name">{hit.text}</span>
              <span class="muted">
                {hit.what !== 'track' && store.machineName(hit.machine)}
                {hit.track >= 0 && hit.what !== 'track' && ` · ${store.track(hit.track)?.name ?? ''}`}
                {hit.count > 0 && ` · ${count(hit.count)} from ${moment(hit.first)}`}
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
