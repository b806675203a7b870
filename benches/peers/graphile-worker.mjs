// The purchase as a task of graphile-worker: prefetched jobs (localQueue), completed in batches.
import { consoleLogFactory, Logger, run, runMigrations } from 'graphile-worker'
import pg from 'pg'
import { main, setting } from './program.mjs'
import { databaseUrl, purchase, taskPool } from './textbook.mjs'

/** The best measured (README.md, "Settings"). */
const settings = {
  processes: setting('PROCESSES', 1),
  concurrentJobs: setting('CONCURRENCY', 8),
  localQueueSize: setting('PREFETCH', 200),
  completeJobBatchDelayMs: setting('COMPLETE_BATCH_MS', 250)
}
const TASK = 'purchase'

const logger = new Logger((scope) => {
  const log = consoleLogFactory(scope)
  return (level, message, meta) => (level === 'error' || level === 'warning' ? log(level, message, meta) : undefined)
})

async function open() {
  await runMigrations({ connectionString: databaseUrl(), logger })
  const client = new pg.Client({ connectionString: databaseUrl() })
  await client.connect()
  const add = `SELECT count(*) FROM graphile_worker.add_jobs(
    ARRAY(SELECT json_populate_recordset(null::graphile_worker.job_spec, $1::json)))`
  return {
    fill: (jobs) => client.query(add, [JSON.stringify(jobs.map((job) => ({ identifier: TASK, payload: job })))]),
    close: () => client.end()
  }
}

async function start() {
  const pool = taskPool(settings.concurrentJobs)
  await run({
    noHandleSignals: true,
    taskList: { [TASK]: (payload) => purchase(pool, payload) },
    preset: {
      worker: {
        connectionString: databaseUrl(),
        maxPoolSize: settings.concurrentJobs + 2,
        concurrentJobs: settings.concurrentJobs,
        localQueue: { size: settings.localQueueSize },
        completeJobBatchDelay: settings.completeJobBatchDelayMs,
        failJobBatchDelay: settings.completeJobBatchDelayMs,
        logger
      }
    }
  })
}

await main({ open, table: 'graphile_worker._private_jobs', start, processes: settings.processes })
