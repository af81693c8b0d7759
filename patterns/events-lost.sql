-- title: Too many events were lost to judge
-- means: The kernel's trace buffers of a machine overran: what is missing may be what mattered. Patterns that need this
--   machine's events are not tried when more than a fifth is missing.
-- needs: counters@host
-- severity: warning
-- text: {lost} of {events} events of {victim} were lost ({lost_share}), most of them on CPU {cpu}: what the other findings
--   say of it may be incomplete.
-- advice: Record with a larger --buffer-size, with fewer events (--events, --filter), or on less busy CPUs.
WITH counted AS (
  SELECT machine, cpu, overrun + dropped + commit_overrun AS lost, delivered + overrun + dropped + commit_overrun AS events
  FROM cpu WHERE delivered IS NOT NULL
), machines AS (
  SELECT machine, CAST(total(lost) AS INTEGER) AS lost, CAST(total(events) AS INTEGER) AS events, cpu, max(lost) FROM counted GROUP BY machine
), holes AS (
  SELECT machine, cpu, sum(until_ns - from_ns) AS hole_ns FROM loss WHERE until_ns IS NOT NULL AND reason = 'missed-events' GROUP BY 1, 2
), seen AS (
  SELECT max(time_ns) AS until_ns FROM event
)
SELECT machine AS victim, 0 AS from_ns, (SELECT until_ns FROM seen) AS until_ns,
       CASE WHEN lost > 0.2 * events THEN 'critical' ELSE 'warning' END AS severity,
       1.0 * lost / events AS lost_share, lost, events, cpu
FROM machines
WHERE lost > 0.01 * events
   OR lost > 0 AND (SELECT max(hole_ns) FROM holes WHERE holes.machine = machines.machine) > 0.05 * (SELECT until_ns FROM seen)

-- evidence: What each CPU's buffer counted
SELECT cpu, delivered, overrun, dropped, commit_overrun FROM cpu WHERE machine = :victim ORDER BY overrun DESC LIMIT 5
-- evidence: The longest holes
SELECT cpu, from_ns, until_ns, events, reason FROM loss WHERE machine = :victim AND until_ns IS NOT NULL
ORDER BY until_ns - from_ns DESC LIMIT 5
