// The program around a peer: `prepare` fills its queue, `run` processes until SIGTERM, in one process or several.
import cluster from 'node:cluster'
import pg from 'pg'
import { databaseUrl, sql } from './textbook.mjs'

/** Jobs that are copied at a time. */
const CHUNK = 5_000

/**
 * `open()` makes the queue's schema and gives `fill(jobs)` and `close()`; `table` is where the peer keeps its jobs;
 * `start()` begins to work.
 */
export async function main({ open, table, start, processes }) {
  const command = process.argv[2]
  if (command === 'prepare') await prepare(open, table)
  else if (command === 'run') await run(start, processes)
  else {
    console.error(`usage: ${process.argv[1]} prepare|run (with DATABASE_URL set)`)
    process.exit(2)
  }
}

/** Copies the jobs that wait with commissary into the peer's queue, and empties commissary's. */
async function prepare(open, table) {
  const client = new pg.Client({ connectionString: databaseUrl() })
  await client.connect()
  const { rows: unfit } = await client.query(sql('unfit'))
  const refused = unfit.filter(({ rows }) => Number(rows) > 0).map(({ what, rows }) => `${rows} of ${what}`)
  if (refused.length > 0) {
    throw new Error(`${refused.join(', ')} ask for rules that this benchmark does not judge: use the standard workload`)
  }
  const queue = await open()
  await client.query('BEGIN')
  await client.query(`DECLARE waiting CURSOR FOR ${sql('waiting_jobs')}`)
  for (;;) {
    const { rows } = await client.query(`FETCH ${CHUNK} FROM waiting`)
    if (rows.length === 0) break
    await queue.fill(rows.map((row) => row.job))
  }
  await client.query('COMMIT')
  await queue.close()
  await client.query('TRUNCATE commissary.jobs')
  await client.query(`VACUUM (ANALYZE) ${table}`)
  await client.end()
}

/** Ends at once: what is in flight rolls back, as when a process is killed, and nothing waits for a batch to end. */
async function run(start, processes) {
  if (cluster.isPrimary && processes > 1) {
    for (let n = 0; n < processes; n += 1) cluster.fork()
    cluster.on('exit', () => process.exit(1))
    process.once('SIGTERM', () => {
      for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGKILL')
      process.exit(0)
    })
    return
  }
  process.once('SIGTERM', () => process.exit(0))
  await start()
}

/** A setting: the best measured, or what the environment says instead (for measuring again). */
export function setting(name, best) {
  const given = process.env[`PEER_${name}`]
  if (given === undefined) return best
  const value = Number(given)
  if (!Number.isInteger(value)) throw new Error(`PEER_${name}: "${given}" is not a whole number`)
  return value
}
