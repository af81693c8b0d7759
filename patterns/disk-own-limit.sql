-- title: The guest is held back by a limit of its own
-- means: Requests of this guest are kept before the host's device gets them: QEMU's throttling or a cgroup (io.max) lets through
--   only so many. QEMU's threads had CPUs, so it is no wait for one.
-- needs: block@host, block@guest, clock@guest, images@guest, sched@host
-- severity: warning
-- text: {victim}'s {direction}s on {disk} took {mean_ns} instead of {expected_ns} from {from_ns} on, and {handover_share} of the added
--   time they were kept before the host's queue: {rate} requests and {bps} were let through. {limit}
-- advice: Raise or remove the limit if {victim} should be faster: QMP block_set_io_throttle, virsh blkdeviotune, or io.max of
--   its cgroup.
WITH waits AS (
  SELECT s.id, coalesce(sum(min(q.until_ns, s.until_ns) - max(q.from_ns, s.from_ns)), 0) AS waited_ns
  FROM io_slow AS s LEFT JOIN qemu_slice AS q
    ON q.machine = s.machine AND q.state = 'preempted' AND q.from_ns < s.until_ns AND q.until_ns > s.from_ns
  GROUP BY s.id
), slow AS (
  SELECT s.*, d.limit_by,
         1e9 * s.requests / (s.until_ns - s.from_ns) AS rate, 1e9 * s.bytes / (s.until_ns - s.from_ns) AS bps,
         CASE s.direction WHEN 'read' THEN coalesce(d.limit_iops, d.limit_iops_read) ELSE coalesce(d.limit_iops, d.limit_iops_write) END AS most_iops,
         CASE s.direction WHEN 'read' THEN coalesce(d.limit_bps, d.limit_bps_read) ELSE coalesce(d.limit_bps, d.limit_bps_write) END AS most_bps
  FROM io_slow AS s LEFT JOIN disk AS d ON d.machine = s.machine AND d.device = s.disk
)
SELECT slow.machine AS victim, slow.machine AS culprit, 1.0 AS share, from_ns, until_ns,
       CASE WHEN rate >= 0.5 * most_iops OR bps >= 0.5 * most_bps THEN 0.95 WHEN limit_by IS NULL THEN 0.5 ELSE 0.7 END AS confidence,
       added_handover_ns AS impact_ns, direction, coalesce(disk, slow.device) AS disk, requests, mean_ns, expected_ns,
       added_handover_ns / added_ns AS handover_share, rate, bps AS bps, most_iops, most_bps, limit_by,
       CASE WHEN limit_by IS NULL THEN 'No limit is known; QEMU or its cgroup may have one that could not be read.'
            ELSE 'Its limit, set by ' || limit_by || ', is ' || coalesce(most_iops || ' requests a second', '')
                 || CASE WHEN most_iops IS NOT NULL AND most_bps IS NOT NULL THEN ' and ' ELSE '' END
                 || coalesce(most_bps || ' bytes a second', '') || '.' END AS "limit",
       slowest
FROM slow JOIN waits ON waits.id = slow.id
WHERE added_handover_ns >= 0.5 * added_ns AND waits.waited_ns < 0.2 * added_handover_ns
  AND (rate >= 0.5 * most_iops OR bps >= 0.5 * most_bps
       OR (limit_by IS NULL AND requests >= 10 AND added_handover_ns >= 2e6 * requests))

-- evidence: The slowest request, phase by phase
SELECT p.phase, p.from_ns - r.from_ns AS after_ns, p.until_ns - p.from_ns AS took_ns
FROM io_request AS r JOIN io_phase AS p ON p.request = r.id WHERE r.id = :slowest ORDER BY p.from_ns
-- evidence: The disk and its limits
SELECT device, path, limit_by, limit_iops, limit_iops_read, limit_iops_write, limit_bps, limit_bps_read, limit_bps_write
FROM disk WHERE machine = :victim
