import type { Finding, Unknown } from '../api/types';
import { duration, moment } from '../model/time';
import { showFinding } from '../state/actions';
import { useStore } from '../parts/context';
import { Shown } from './answer';

function Evidence({ finding }: { finding: Finding }) {
  return (
    <>
      {finding.evidence.map((table) => (
        <details class="evidence">
          <summary>{table.title}</summary>
          <div class="table-box">
            <table>
              <thead>
                <tr>
                  {table.columns.map((name) => (
                    <th>{name}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {table.rows.map((row) => (
                  <tr>
                    {row.map((cell) => (
                      <td class={/^[-\d.,]+( ?[%a-zA-Z/]+)?$/.test(cell) ? 'number' : ''}>{cell}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {table.more && <p class="muted">There are more rows: ivtrace diagnose shows them.</p>}
        </details>
      ))}
    </>
  );
}

/** What stands between backticks is what one types. */
const Prose = ({ text }: { text: string }) => (
  <>{text.split('`').map((part, i) => (i % 2 ? <code>{part}</code> : part))}</>
);

function Card({ finding, index }: { finding: Finding; index: number }) {
  const store = useStore();
  const on = store.finding.value === index;
  return (
    <article class={`card ${finding.severity}${on ? ' on' : ''}`} data-finding={index} aria-current={on}>
      <button class="card-head" onClick={() => showFinding(store, index)} title="Show it on the timeline">
        <span class="severity">{finding.severity}</span>
        <h3>{finding.title}</h3>
        <span class="where">
          {finding.victim && (
            <>
              <b class="victim">{finding.victim}</b> suffers
            </>
          )}
          {finding.culprit && (
            <>
              , to blame: <b class="culprit">{finding.culprit}</b>
              {finding.share !== null && ` (${Math.round(finding.share * 100)} %)`}
            </>
          )}
        </span>
        <span class="muted">
          {moment(finding.from)} to {moment(finding.until)}, {duration(finding.until - finding.from)}
          {finding.impact_ns > 0 && ` · costs ${duration(finding.impact_ns)}`} · confidence{' '}
          {Math.round(finding.confidence * 100)} %
        </span>
      </button>
      <p>
        <Prose text={finding.text} />
      </p>
      {finding.advice && (
        <p class="advice">
          <b>What to do: </b>
          <Prose text={finding.advice} />
        </p>
      )}
      {finding.numbers.length > 0 && (
        <details class="evidence">
          <summary>Numbers</summary>
          <dl class="numbers">
            {finding.numbers.map((number) => (
              <div>
                <dt>{number.name.replace(/_(ns|s|bps)$/, '').replaceAll('_', ' ')}</dt>
                <dd>{number.text}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      <Evidence finding={finding} />
    </article>
  );
}

function Unknowns({ list }: { list: Unknown[] }) {
  if (!list.length) return null;
  return (
    <details class="unknown">
      <summary>What could not be judged ({list.length})</summary>
      <ul>
        {list.map((one) => (
          <li>
            <b>{one.pattern}</b>
            {one.machine && ` on ${one.machine}`}: {one.reason}
            {one.option && <div class="muted">To record it: {one.option}</div>}
          </li>
        ))}
      </ul>
    </details>
  );
}

export function FindingsPanel() {
  const store = useStore();
  const answer = store.findings.value;
  if (answer.is === 'none') {
    return (
      <p class="muted waits">
        {store.run.value?.progress.failure
          ? 'The run could not be read, so nothing was looked for.'
          : 'Findings come when the run has been read …'}
      </p>
    );
  }
  return (
    <Shown answer={answer} waits="Loading the findings">
      {(findings) => (
        <>
          {findings.findings.length === 0 && (
            <div class="empty">
              <h3>Nothing found</h3>
              <p class="muted">
                None of {findings.tried} failure patterns fits this run
                {findings.unknown.length > 0 && '; some could not be judged'}.
              </p>
            </div>
          )}
          {findings.findings.map((finding, index) => (
            <Card key={index} finding={finding} index={index} />
          ))}
          <Unknowns list={findings.unknown} />
          {findings.findings.length > 0 && (
            <p class="muted foot">{findings.tried} failure patterns were tried. N and B go from finding to finding.</p>
          )}
        </>
      )}
    </Shown>
  );
}
