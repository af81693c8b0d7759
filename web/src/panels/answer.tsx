import type { ComponentChildren } from 'preact';
import type { Answer } from '../state/store';

/** What an answer is, or that it is on its way, or why there is none. `again`: for what was asked too early. */
export function Shown<T>({
  answer,
  waits,
  children,
}: {
  answer: Answer<T>;
  waits: string;
  children: (value: T) => ComponentChildren;
}) {
  switch (answer.is) {
    case 'none':
      return null;
    case 'waiting':
      return <p class="muted waits">{waits} …</p>;
    case 'failed':
      return (
        <p class="failed">
          {answer.error}
          {answer.hint && <span class="muted"> {answer.hint}</span>}
        </p>
      );
    case 'there':
      return <>{children(answer.value)}</>;
  }
}
