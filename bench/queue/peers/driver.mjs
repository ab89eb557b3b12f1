// What the Node drivers share; driver.py says how a driver and its worker behave.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export const settings = JSON.parse(process.env.BENCH ?? '{}')
export const CLIENTS = 64

export const count = full => Math.max(1, Math.floor(full * settings.scale))

export function tell(figure, value, of, unit = 'jobs/s') {
  console.log(JSON.stringify({ figure, value, count: of, unit }))
}

export function tellRate(figure, of, started) {
  tell(figure, (of / (performance.now() - started)) * 1e3, of)
}

// Round trips one after the other on an idle system; a tenth more before, to warm up.
export async function tellTrips(of, trip) {
  let took = []
  for (let number = 0; number < of + Math.max(1, Math.floor(of / 10)); number++) {
    const started = performance.now()
    await trip(number)
    took.push(performance.now() - started)
  }
  took = took.slice(-of).sort((a, b) => a - b)
  tell('trip_p50', took[Math.floor(of / 2)], of, 'ms')
  tell('trip_p99', took[Math.min(Math.floor((of * 99) / 100), of - 1)], of, 'ms')
}

// 64 submissions in flight, each the next of `of`.
export async function submitFrom64(of, submit) {
  let next = 0
  const client = async () => {
    while (next < of) await submit(next++)
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
}

// Asks until it is so; run.py bounds the whole driver.
export async function until(done, everyMs = 2) {
  while (!(await done())) await new Promise(resolve => setTimeout(resolve, everyMs))
}

// What a handler does for a job that runs a program.
export async function runTrue() {
  const [code] = await once(spawn('true', { stdio: 'ignore' }), 'close')
  if (code !== 0) throw new Error(`true ended with ${code}`)
}

export class Worker {
  static async start(...what) {
    const worker = new Worker()
    worker.child = spawn(process.execPath, [process.argv[1], 'work', ...what.map(String)], {
      stdio: ['pipe', 'pipe', 'inherit']
    })
    worker.lines = createInterface({ input: worker.child.stdout })[Symbol.asyncIterator]()
    await worker.hear('ready')
    return worker
  }

  go() {
    this.child.stdin.write('go\n')
  }

  async hear(word) {
    const { value } = await this.lines.next()
    if (value !== word) throw new Error(`the worker said '${value}' where '${word}' was due`)
  }

  async dismiss() {
    const closed = once(this.child, 'close')
    this.child.kill('SIGKILL')
    await closed
  }
}

// The worker's side of `hear`.
export const say = word => process.stdout.write(`${word}\n`)

// The worker's side of `go`. From then on the end of standard input ends the process.
export async function awaitGo() {
  say('ready')
  process.stdin.on('end', () => process.exit(0))
  await once(process.stdin, 'data')
}

export async function main(bench, work) {
  const [mode, ...what] = process.argv.slice(2)
  await (mode === 'bench' ? bench() : work(...what))
  if (mode === 'bench') process.exit(0)
}
