-- title: The guest's own load fills the disk
-- means: Requests of this guest wait for each other: it has many in flight, and nobody else has much.
-- needs: block@host, block@guest, clock@guest, images@guest
-- severity: info
-- text: {victim}'s {direction}s on {disk} took {mean_ns} instead of {expected_ns} from {from_ns} on, with {depth} of them open at a time:
--   they wait for each other. {own_share} of what the host's device {host_device} had in work was {victim}'s.
-- advice: Look at what runs in {victim}; a guest that wants this much I/O needs a faster device, or fewer requests at a time.
--   `ivtrace query RUN "SELECT comm, count(*), sum(bytes) FROM io_request WHERE machine = '{victim}' GROUP BY comm"` tells whose they are.
WITH others AS (
  SELECT slow, sum(CASE WHEN others_share IS NOT NULL THEN bytes_share + requests_share ELSE 0 END) / 2 AS share
  FROM io_slow_load GROUP BY slow
)
SELECT s.machine AS victim, s.machine AS culprit, 1 - others.share AS share, s.from_ns, s.until_ns,
       CASE s.baseline WHEN 'alone' THEN 0.9 ELSE 0.6 END AS confidence,
       s.added_host_ns AS impact_ns,
       s.direction, coalesce(s.disk, s.device) AS disk, s.requests, s.mean_ns, s.expected_ns, s.depth,
       1 - others.share AS own_share, s.host_device, s.slowest
FROM io_slow AS s JOIN others ON others.slow = s.id
WHERE s.depth >= 4 AND others.share < 0.3 AND coalesce(s.device_cost, 1) < 2.5
  AND s.added_host_ns + s.added_guest_ns >= 0.4 * s.added_ns

-- evidence: The guest's requests meanwhile, by task
SELECT comm, direction, count(*) AS requests, sum(bytes) AS bytes, avg(until_ns - from_ns) AS mean_ns FROM io_request
WHERE machine = :victim AND until_ns >= :from_ns AND from_ns <= :until_ns GROUP BY 1, 2 ORDER BY requests DESC LIMIT 5
