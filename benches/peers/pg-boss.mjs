// The purchase as a job of pg-boss: several workers, each fetching batches whose jobs it runs one after the other.
import { PgBoss } from 'pg-boss'
import { main, setting } from './program.mjs'
import { databaseUrl, purchase, taskPool } from './textbook.mjs'

/** The best measured (README.md, "Settings"). */
const settings = {
  processes: setting('PROCESSES', 1),
  workers: setting('CONCURRENCY', 8),
  batchSize: setting('PREFETCH', 200)
}
const QUEUE = 'purchase'

function connect(options) {
  const boss = new PgBoss({ connectionString: databaseUrl(), schedule: false, ...options })
  boss.on('error', (error) => console.error(error))
  return boss
}

async function open() {
  const boss = connect({ supervise: false })
  await boss.start()
  // A table of its own keeps the queue apart, as pg-boss advises for a large one.
  await boss.createQueue(QUEUE, { partition: true })
  return {
    fill: (jobs) => boss.insert(QUEUE, jobs.map((data) => ({ data }))),
    close: () => boss.stop({ graceful: false })
  }
}

async function start() {
  const pool = taskPool(settings.workers)
  const boss = connect({ max: settings.workers + 2 })
  await boss.start()
  const options = {
    localConcurrency: settings.workers,
    batchSize: settings.batchSize,
    // Fetch again at once while batches come back full: polling waits at least half a second otherwise.
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5
  }
  await boss.work(QUEUE, options, async (jobs) => {
    // One after the other, each its own transaction. If one fails, pg-boss retries its batch: what is done stays done.
    for (const job of jobs) await purchase(pool, job.data)
  })
}

await main({ open, table: 'pgboss.job', start, processes: settings.processes })
