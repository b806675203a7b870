// The program around a peer: `prepare` fills its queue, `run` processes until SIGTERM, in one process or several.
import cluster from 'node:cluster'
import pg from 'pg'
import { databaseUrl, sql } from './textbook.mjs'

/** Jobs that are copied in one statement. */
const CHUNK = 5_000

/**
 * `fill(jobs)` is given the waiting jobs in chunks, after `install`; `start()` begins to work.
 * `table` is where the peer keeps its jobs.
 */
export async function main({ install, fill, table, start, processes }) {
  const command = process.argv[2]
  if (command === 'prepare') await prepare({ install, fill, table })
  else if (command === 'run') await run(start, processes)
  else {
    console.error(`usage: ${process.argv[1]} prepare|run (with DATABASE_URL set)`)
    process.exit(2)
  }
}

async function prepare({ install, fill, table }) {
  const client = new pg.Client({ connectionString: databaseUrl() })
  await client.connect()
  const { rows: unfit } = await client.query(sql('unfit'))
  const refused = unfit.filter(({ rows }) => Number(rows) > 0).map(({ what, rows }) => `${rows} of ${what}`)
  if (refused.length > 0) {
    throw new Error(`${refused.join(', ')} ask for rules that this benchmark does not judge: use the standard workload`)
  }
  await install()
  const { rows } = await client.query(sql('waiting_jobs'))
  for (let first = 0; first < rows.length; first += CHUNK) {
    await fill(rows.slice(first, first + CHUNK).map((row) => row.job))
  }
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
