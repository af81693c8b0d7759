import type { RawEvent } from '../api/types';
import { moment } from '../model/time';
import { useStore } from '../parts/context';

/** Raw events, as their kernels print them. */
export function Events({ events, more }: { events: RawEvent[]; more: boolean }) {
  const store = useStore();
  if (!events.length) return <p class="muted">None was recorded.</p>;
  const { from, until } = store.selected.value?.slice ?? { from: -1, until: -1 };
  return (
    <>
      <div class="table-box events">
        <table>
          <thead>
            <tr>
              <th>time</th>
              <th>where</th>
              <th>thread</th>
              <th>event</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event) => (
              <tr class={event.time >= from && event.time <= until ? '' : 'outside'}>
                <td class="number">{moment(event.time, 1)}</td>
                <td>
                  {store.machineName(event.machine)}/{event.cpu}
                </td>
                <td>
                  {event.comm} {event.tid}
                </td>
                <td class="text">
                  <b>{event.name}</b> {event.text}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {more && <p class="muted">There are more.</p>}
    </>
  );
}
