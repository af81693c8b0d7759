-- title: QEMU's own threads do not get a CPU of the host
-- means: Requests of this guest wait in QEMU, whose thread for them is ready to run and does not, as others have the host's
--   CPUs. The disk is not to blame.
-- needs: block@host, block@guest, clock@guest, images@guest, sched@host
-- severity: warning
-- text: {victim}'s {direction}s on {disk} took {mean_ns} instead of {expected_ns} from {from_ns} on, and {software_share} of the added
--   time they were in QEMU's hands, whose threads waited {waited_ns} for a CPU meanwhile; {culprit} had it for {share} of that.
-- advice: Give QEMU's I/O threads CPUs of their own (iothread with pinning, emulatorpin), or move {culprit} away.
--   `ivtrace query RUN "SELECT * FROM qemu_slice WHERE machine = '{victim}' AND state = 'preempted'"` shows each wait.
WITH slow AS (
  SELECT *, added_handover_ns + added_back_ns AS software_ns FROM io_slow
), behind AS (
  SELECT s.id, CASE WHEN q.by_machine <> 'host' THEN q.by_machine ELSE coalesce(q.by_comm, '?') END AS who,
         sum(min(q.until_ns, s.until_ns) - max(q.from_ns, s.from_ns)) AS held
  FROM slow AS s JOIN qemu_slice AS q ON q.machine = s.machine
  WHERE q.state = 'preempted' AND q.by_tid > 0 AND q.by_machine <> q.machine AND q.from_ns < s.until_ns AND q.until_ns > s.from_ns
    AND s.software_ns >= 0.4 * s.added_ns
  GROUP BY 1, 2
), shares AS (
  SELECT *, sum(held) OVER (PARTITION BY id) AS waited_ns, 1.0 * held / sum(held) OVER (PARTITION BY id) AS share FROM behind
)
SELECT s.machine AS victim, shares.who AS culprit, shares.share AS share, s.from_ns, s.until_ns, 0.8 AS confidence,
       CASE WHEN s.until_ns - s.from_ns < 1e9 THEN 'info' ELSE 'warning' END AS severity,
       software_ns * shares.share AS impact_ns, s.direction, coalesce(s.disk, s.device) AS disk, s.requests, s.mean_ns,
       s.expected_ns, software_ns / added_ns AS software_share, shares.waited_ns, s.slowest
FROM slow AS s JOIN shares ON shares.id = s.id
WHERE shares.waited_ns >= 0.3 * software_ns AND shares.share >= 0.25

-- evidence: The longest waits of QEMU's threads
SELECT thread, comm, from_ns, until_ns - from_ns AS waited_ns, by_machine, by_comm FROM qemu_slice
WHERE machine = :victim AND state = 'preempted' AND from_ns >= :from_ns AND from_ns < :until_ns
ORDER BY waited_ns DESC LIMIT 3
-- evidence: The slowest request, phase by phase
SELECT p.phase, p.from_ns - r.from_ns AS after_ns, p.until_ns - p.from_ns AS took_ns
FROM io_request AS r JOIN io_phase AS p ON p.request = r.id WHERE r.id = :slowest ORDER BY p.from_ns
