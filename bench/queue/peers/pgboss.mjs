// pg-boss over PostgreSQL: `insert` in bulk, `work` in batches of 500.
//
// Settings: `insert` by the thousand is its bulk call; workers take 500 a fetch, four at a time,
// and fetch again at once while batches come back full (`burstWhenBatchFull`), since otherwise it
// polls every half second at best; the round trip's queue uses LISTEN/NOTIFY (`useListenNotify`,
// `notify`) for the same reason. It has no call that waits for a result: the submitter asks for
// the job's state until it is `completed`.

import { PgBoss } from 'pg-boss'
import * as driver from './driver.mjs'

const CHUNK = 1000

function open(max, more = {}) {
  const boss = new PgBoss({ connectionString: driver.settings.url, max, ...more })
  boss.on('error', error => console.error(error))
  return boss.start()
}

async function bulk(boss, name, of) {
  for (let at = 0; at < of; at += CHUNK) {
    const length = Math.min(CHUNK, of - at)
    const job = n => ({ data: { input: `input ${at + n}` } })
    await boss.insert(name, Array.from({ length }, (_, n) => job(n)))
  }
}

const query = async (boss, sql, values) => (await boss.getDb().executeSql(sql, values)).rows

// A worker process on a queue that holds `of` jobs, from go to the last durable completion.
async function drain(figure, boss, name, of) {
  await query(boss, 'vacuum analyze')
  const worker = await driver.Worker.start(name, of)
  const started = performance.now()
  worker.go()
  await worker.hear('done')
  const left = `select 1 from pgboss.job where name = $1 and state < 'completed' limit 1`
  await driver.until(async () => (await query(boss, left, [name])).length === 0)
  driver.tellRate(figure, of, started)
  await worker.dismiss()
}

async function bench() {
  const boss = await open(driver.CLIENTS)
  for (const name of ['drain', 'singles', 'spawn']) await boss.createQueue(name)
  await boss.createQueue('trips', { notify: true })
  const [jobs, singles, spawned] = [60_000, 10_000, 1_500].map(driver.count)

  let started = performance.now()
  await bulk(boss, 'drain', jobs)
  driver.tellRate('bulk', jobs, started)
  await drain('drain', boss, 'drain', jobs)

  await driver.submitFrom64(driver.CLIENTS, n => boss.send('singles', { input: `warm ${n}` }))
  started = performance.now()
  await driver.submitFrom64(singles, n => boss.send('singles', { input: `input ${n}` }))
  driver.tellRate('singles', singles, started)

  const worker = await driver.Worker.start('trips', 0)
  worker.go()
  await worker.hear('running')
  const state = `select state from pgboss.job where name = 'trips' and id = $1`
  await driver.tellTrips(driver.count(300), async n => {
    const id = await boss.send('trips', { input: `input ${n}` })
    await driver.until(async () => (await query(boss, state, [id]))[0].state === 'completed', 1)
  })
  await worker.dismiss()

  await bulk(boss, 'spawn', spawned)
  await drain('processes', boss, 'spawn', spawned)
}

async function work(name, of) {
  const boss = await open(8, { useListenNotify: name === 'trips' })
  let left = Number(of)
  const done = jobs => (left -= jobs.length) === 0 && driver.say('done')
  const handlers = {
    drain: async jobs => done(jobs),
    trips: async () => {},
    spawn: async jobs => {
      for (const _ of jobs) await driver.runTrue()
      done(jobs)
    }
  }
  const options = {
    drain: { batchSize: 500, localConcurrency: 4 },
    trips: { batchSize: 1 },
    spawn: { batchSize: 50, localConcurrency: 8 }
  }
  await driver.awaitGo()
  const more = { burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
  await boss.work(name, { ...more, ...options[name] }, handlers[name])
  if (name === 'trips') driver.say('running')
}

await driver.main(bench, work)
