// graphile-worker over PostgreSQL, with the settings of its own "Performance" page.
//
// That page: 24 jobs at a time over 25 connections, a local queue of 500 and completions batched
// (delay 0). Jobs are added by `addJobs`, by the thousand. It has no results: the round trip ends
// when the submitter sees the job's row gone, which it looks for once the handler has run.

import { makeWorkerUtils, run, Logger } from 'graphile-worker'
import pg from 'pg'
import * as driver from './driver.mjs'

const CHUNK = 1000
const QUIET = new Logger(() => () => {})
const ROWS = 'graphile_worker._private_jobs'

const preset = (connections, more) => ({
  worker: {
    connectionString: driver.settings.url,
    concurrentJobs: 24,
    maxPoolSize: connections,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
    logger: QUIET,
    ...more
  }
})

async function bulk(utils, identifier, of) {
  for (let at = 0; at < of; at += CHUNK) {
    const length = Math.min(CHUNK, of - at)
    const input = n => ({ identifier, payload: { input: `input ${at + n}` } })
    await utils.addJobs(Array.from({ length }, (_, n) => input(n)))
  }
}

// A worker process on a table that holds `of` jobs, from go to the last durable completion.
async function drain(figure, pool, identifier, of) {
  await pool.query(`vacuum analyze ${ROWS}`)
  const worker = await driver.Worker.start(identifier, of)
  const started = performance.now()
  worker.go()
  await worker.hear('done')
  await driver.until(async () => (await pool.query(`select 1 from ${ROWS} limit 1`)).rowCount === 0)
  driver.tellRate(figure, of, started)
  await worker.dismiss()
}

async function bench() {
  const utils = await makeWorkerUtils({ preset: preset(driver.CLIENTS) })
  await utils.migrate()
  const pool = new pg.Pool({ connectionString: driver.settings.url, max: 2 })
  const [jobs, singles, spawned] = [60_000, 10_000, 1_500].map(driver.count)

  let started = performance.now()
  await bulk(utils, 'drain', jobs)
  driver.tellRate('bulk', jobs, started)
  await drain('drain', pool, 'drain', jobs)

  await driver.submitFrom64(driver.CLIENTS, n => utils.addJob('singles', { input: `warm ${n}` }))
  started = performance.now()
  await driver.submitFrom64(singles, n => utils.addJob('singles', { input: `input ${n}` }))
  driver.tellRate('singles', singles, started)
  await pool.query(`truncate ${ROWS}`)

  const worker = await driver.Worker.start('trips', 0)
  worker.go()
  await worker.hear('running')
  await driver.tellTrips(driver.count(300), async n => {
    const { id } = await utils.addJob('trips', { input: `input ${n}` })
    await worker.hear('handled')
    const gone = async () =>
      (await pool.query(`select 1 from ${ROWS} where id = $1`, [id])).rowCount === 0
    await driver.until(gone, 0)
  })
  await worker.dismiss()

  await bulk(utils, 'spawn', spawned)
  await drain('processes', pool, 'spawn', spawned)
}

async function work(identifier, of) {
  let left = Number(of)
  const handlers = {
    drain: async () => --left === 0 && driver.say('done'),
    trips: async () => driver.say('handled'),
    spawn: async () => {
      await driver.runTrue()
      if (--left === 0) driver.say('done')
    }
  }
  const taskList = { [identifier]: handlers[identifier] }
  await driver.awaitGo()
  const more = identifier === 'spawn' ? { concurrentJobs: 8 } : {}
  const runner = await run({ preset: preset(25, more), taskList, parsedCronItems: [] })
  if (identifier === 'trips') driver.say('running')
  await runner.promise
}

await driver.main(bench, work)
