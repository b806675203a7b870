// Money: exact amounts as BigInt, in units of the fourth decimal, which is what numeric(18,4) holds.

const DECIMALS = 4

/** An amount from the text of a numeric. */
export function amount(text) {
  const [whole, fraction = ''] = text.split('.')
  return BigInt(whole + fraction.padEnd(DECIMALS, '0'))
}

/** The amount with so many decimals: four for the database, the currency's for JSON. */
export function format(units, decimals = DECIMALS) {
  const minor = units / 10n ** BigInt(DECIMALS - decimals)
  const digits = (minor < 0n ? -minor : minor).toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  return (minor < 0n ? '-' : '') + whole + (decimals > 0 ? `.${digits.slice(-decimals)}` : '')
}

/** `units × percent ÷ 100`, rounded once to the currency: half up, since nothing here is negative. */
export function percentage(units, percent, exponent) {
  const minor = 10n ** BigInt(DECIMALS - exponent)
  const divisor = 100n * 10n ** BigInt(DECIMALS) * minor
  return ((units * percent + divisor / 2n) / divisor) * minor
}
