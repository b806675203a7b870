// The textbook transaction: one purchase, one transaction, a statement a step. Every queue of the Node world runs it.
//
// Locks are taken as late as the rules allow, and in one order: period, customer, products, budgets, queue row. The hot
// rows of a business come last, so that its transactions overlap as far as they can.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { amount, format, percentage } from './money.mjs'

/** A statement that the server parses once a connection. */
const statement = (name) => ({ name, text: sql(name) })

/** The text of a statement in `sql/`, which the Rust peers share. */
export function sql(name) {
  return readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), 'utf8')
}

const STATEMENTS = Object.fromEntries(
  [
    'find_result', 'lock_period', 'open_period', 'lock_customer', 'load_account', 'find_outlet', 'lock_products',
    'load_programs', 'lock_budgets', 'open_budgets', 'insert_order', 'insert_items', 'change_stock', 'insert_charge',
    'change_budget', 'insert_subsidy', 'count_decision', 'insert_result'
  ].map((name) => [name, statement(name)])
)

// A Date has milliseconds only: an entry could come to stand before its predecessor. Instants stay text.
const TIMESTAMPTZ = 1184
const types = {
  getTypeParser: (oid, encoding) => (oid === TIMESTAMPTZ ? (text) => text : pg.types.getTypeParser(oid, encoding))
}

/** The connections that tasks use: commissary's worker role, with the start-up options of its own worker. */
export function taskPool(connections) {
  return new pg.Pool({
    connectionString: databaseUrl(),
    max: connections,
    types,
    options:
      '-c role=commissary_worker -c search_path=commissary,pg_temp -c timezone=UTC -c enable_seqscan=off -c jit=off ' +
      '-c client_min_messages=error'
  })
}

/** Where the database is. */
export function databaseUrl() {
  const url = process.env.DATABASE_URL
  if (!url) throw new Error('DATABASE_URL is not set: name the database to work on')
  return url
}

/** Decides and records one purchase, in a transaction of its own. Running it again changes nothing. */
export async function purchase(pool, job) {
  const client = await pool.connect()
  let failure
  try {
    await client.query(`BEGIN; SET LOCAL app.business_id = '${job.business_id}'`)
    await record(client, job)
    await client.query('COMMIT')
  } catch (error) {
    failure = error
    await client.query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release(failure)
  }
}

async function record(client, job) {
  const run = async (name, ...values) => client.query({ ...STATEMENTS[name], values })
  const business = job.business_id
  const done = await run('find_result', business, job.idempotency_key)
  if (done.rows[0].is_done) return

  const facts = await load(run, business, job.payload)
  const decision = decide(facts, job.payload)
  if (decision.reason) {
    await store(run, job, facts, ['rejected', decision.reason, { message: decision.message }])
    return
  }
  const subsidy = await subsidise(run, business, facts, decision.total)
  const payable = decision.total - subsidy.amount
  const after = facts.balance + payable
  if (payable > 0n && after > facts.customer.limit) {
    const message = `payable ${format(payable, facts.exponent)} is above the available credit`
    await store(run, job, facts, ['rejected', 'credit_limit_exceeded', { message }])
    return
  }
  const order = { id: uuidV7(), ...decision, payable, after, subsidy }
  await write(run, job, facts, order)
  await store(run, job, facts, ['completed', null, outcome(facts, order)])
}

/** Locks what the decision depends on, and reads the rest after the locks. */
async function load(run, business, payload) {
  const period = await lockPeriod(run, business)
  const customer = (await run('lock_customer', business, payload.customer_id)).rows[0]
  if (!customer) return { ...period, now: new Date().toISOString() }
  const account = (await run('load_account', business, payload.customer_id)).rows[0]
  const outlet = (await run('find_outlet', business, customer.office_id, payload.outlet_id)).rows[0]
  const ids = [...new Set(payload.lines.map((line) => line.product_id))]
  const products = (await run('lock_products', business, ids)).rows
  return {
    ...period,
    customer: { ...customer, limit: amount(customer.credit_limit) },
    isVisible: outlet.is_visible,
    products: new Map(products.map((product) => [product.product_id, { ...product, price: amount(product.price) }])),
    seq: Number(account.seq) + 1,
    balance: amount(account.balance),
    now: account.now
  }
}

async function lockPeriod(run, business) {
  for (const isOpened of [false, true]) {
    const period = (await run('lock_period', business)).rows[0]
    if (period) return { period: period.period_id, exponent: period.exponent }
    if (!isOpened) await run('open_period', business, uuidV7())
  }
  throw new Error(`business ${business}: this month's settlement period is closed`)
}

/** The lines with their prices and the stock they take, or why the purchase is refused. */
function decide(facts, payload) {
  const refuse = (reason, message) => ({ reason, message })
  if (!facts.customer) return refuse('unknown_customer', `no customer ${payload.customer_id}`)
  if (!facts.customer.is_active) return refuse('customer_inactive', `customer ${payload.customer_id} is inactive`)
  if (!facts.isVisible) return refuse('outlet_not_visible', `outlet ${payload.outlet_id} is not visible`)
  const unknown = payload.lines.find((line) => !facts.products.has(line.product_id))
  if (unknown) return refuse('unknown_product', `no product ${unknown.product_id}`)
  const stock = new Map()
  const items = payload.lines.map(({ product_id, quantity }) => {
    const { price, tax_rate } = facts.products.get(product_id)
    stock.set(product_id, (stock.get(product_id) ?? 0) + quantity)
    return { product_id, quantity, price, tax_rate, total: price * BigInt(quantity) }
  })
  const inactive = items.find((item) => !facts.products.get(item.product_id).is_active)
  if (inactive) return refuse('product_inactive', `product ${inactive.product_id} is inactive`)
  for (const [product, quantity] of stock) {
    const available = facts.products.get(product).stock
    if (BigInt(available) < quantity) return refuse('insufficient_stock', `product ${product}: ${available} are left`)
  }
  return { items, stock, total: items.reduce((sum, item) => sum + item.total, 0n) }
}

/** The Maximum Rule: the highest fundable discount wins; ties go to priority, the earlier budget end, the lower id. */
async function subsidise(run, business, facts, total) {
  const { rows: programs } = await run('load_programs', business, facts.customer.organization_id, facts.now)
  const used = await lockBudgets(run, business, programs)
  const candidates = programs.map((program) => {
    const alone = percentage(total, amount(program.value), facts.exponent)
    const capped = program.cap === null ? alone : min(alone, amount(program.cap))
    const before = used.get(program.program_id)
    const budget = max(amount(program.total_budget), before)
    const isFundable = capped > 0n && before + capped <= budget
    return { program, amount: capped, before, budget, isFundable }
  })
  const winner = candidates.filter((candidate) => candidate.isFundable).sort(preference)[0]
  const evaluation = candidates.map((candidate) => ({
    program_id: candidate.program.program_id,
    discount: format(candidate.amount, facts.exponent),
    fundable: candidate.isFundable,
    chosen: candidate === winner,
    why: why(candidate, winner, facts.exponent)
  }))
  return winner ? { ...winner, evaluation } : { amount: 0n, evaluation }
}

async function lockBudgets(run, business, programs) {
  if (programs.length === 0) return new Map()
  const keys = ['program_id', 'budget_period', 'period_start'].map((name) => programs.map((program) => program[name]))
  let { rows } = await run('lock_budgets', business, ...keys)
  if (rows.length < programs.length) {
    await run('open_budgets', business, ...keys, programs.map((program) => program.total_budget))
    rows = (await run('lock_budgets', business, ...keys)).rows
  }
  return new Map(rows.map((row) => [row.program_id, amount(row.budget_used)]))
}

const min = (a, b) => (a < b ? a : b)
const max = (a, b) => (a > b ? a : b)
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
/** Never is the latest end. */
const budgetEnd = ({ program }) => (program.period_ends === null ? Infinity : Date.parse(program.period_ends))

function preference(a, b) {
  return (
    compare(b.amount, a.amount) ||
    a.program.priority - b.program.priority ||
    compare(budgetEnd(a), budgetEnd(b)) ||
    compare(a.program.program_id, b.program.program_id)
  )
}

function why(candidate, winner, exponent) {
  if (candidate.amount === 0n) return 'rounds to zero'
  if (!candidate.isFundable) return `budget has only ${format(candidate.budget - candidate.before, exponent)} left`
  if (candidate === winner) return 'won: highest fundable discount'
  if (candidate.amount !== winner.amount) return 'lost: lower discount'
  if (candidate.program.priority !== winner.program.priority) return 'lost: tie, by priority'
  return budgetEnd(candidate) !== budgetEnd(winner) ? 'lost: tie, by budget end' : 'lost: tie, by program id'
}

async function write(run, job, facts, order) {
  const { business_id: business, payload } = job
  const { customer, period, now } = facts
  const { items, subsidy } = order
  const column = (name) => items.map((item) => item[name])
  const money = (name) => items.map((item) => format(item[name]))
  await run('insert_order', business, order.id, payload.customer_id, payload.outlet_id, format(order.total),
    format(subsidy.amount), format(order.payable), now, customer.organization_id, customer.office_id, customer.team_id,
    period, job.job_id, job.idempotency_key)
  await run('insert_items', business, order.id, column('product_id'), column('quantity'), money('price'),
    column('tax_rate'), money('total'), job.job_id)
  const stock = await run('change_stock', business, [...order.stock.keys()], [...order.stock.values()])
  expectRows('change_stock', stock, order.stock.size)
  await run('insert_charge', business, payload.customer_id, facts.seq, format(order.payable), format(facts.balance),
    format(order.after), customer.credit_limit, order.id, now, period, job.job_id)
  if (!subsidy.program) return
  const { program } = subsidy
  const key = [program.program_id, program.budget_period, program.period_start]
  const drawn = await run('change_budget', business, ...key, format(subsidy.amount), format(subsidy.budget))
  expectRows('change_budget', drawn, 1)
  await run('insert_subsidy', business, uuidV7(), order.id, payload.customer_id, ...key, format(subsidy.amount),
    snapshot(subsidy, facts.exponent), JSON.stringify(subsidy.evaluation), now, period, job.job_id)
}

function expectRows(name, result, expected) {
  if (result.rowCount !== expected) throw new Error(`${name} changed ${result.rowCount} rows instead of ${expected}`)
}

/** The program's whole state, with its budget before and after. */
function snapshot({ program, before, budget, amount: drawn }, exponent) {
  const text = (units) => format(units, exponent)
  return JSON.stringify({
    program_id: program.program_id,
    name: program.name,
    organization_id: program.organization_id,
    office_id: null,
    team_id: null,
    outlet_id: null,
    kind: program.kind,
    value: program.value.replace(/\.?0+$/, ''),
    cap: program.cap === null ? null : text(amount(program.cap)),
    priority: program.priority,
    min_order_amount: null,
    starts_at: null,
    ends_at: null,
    weekdays: null,
    hour_from: null,
    hour_to: null,
    budget_period: program.budget_period,
    per_customer_cap: null,
    allow_partial: false,
    is_active: true,
    total_budget: text(budget),
    budget_used_before: text(before),
    budget_used_after: text(before + drawn),
    period_start: program.period_start
  })
}

function outcome({ customer, exponent }, { id, total, subsidy, payable, after }) {
  const text = (units) => format(units, exponent)
  return {
    order_id: id,
    total: text(total),
    subsidy: text(subsidy.amount),
    payable: text(payable),
    program_id: subsidy.program?.program_id ?? null,
    balance_after: text(after),
    available: text(customer.limit - after),
    ...(subsidy.program ? { why: 'won: highest fundable discount' } : { evaluation: subsidy.evaluation })
  }
}

async function store(run, job, facts, [status, reason, body]) {
  const counted = await run('count_decision', job.business_id)
  await run('insert_result', job.business_id, job.job_id, job.idempotency_key, status, reason, JSON.stringify(body),
    job.enqueued_at, counted.rows[0].decision_seq, facts.now, JSON.stringify(job.payload))
}

/** An id of version 7: new ones land at the right edge of an index, as commissary's do. */
function uuidV7() {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Date.now(), 0, 6)
  bytes[6] = (bytes[6] & 0x0f) | 0x70
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
