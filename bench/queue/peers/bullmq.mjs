// BullMQ over Redis: one worker process, 100 jobs at a time.
//
// Settings: `addBulk` by the thousand and `concurrency` 100, the best of our earlier measurements
// on two cores (its guide: a factor above 1 pays for asynchronous handlers); finished jobs removed
// at once (its guide "Auto-removal of jobs"), but for those whose end is waited for. A client is a
// submission in flight; all 64 share one connection ("Reusing connections"), where ioredis
// pipelines what they send.

import { Queue, QueueEvents, Worker as BullWorker } from 'bullmq'
import { Redis } from 'ioredis'
import * as driver from './driver.mjs'

const connect = () =>
  new Redis({ port: driver.settings.port, host: '127.0.0.1', maxRetriesPerRequest: null })
const OPTIONS = { removeOnComplete: true, removeOnFail: true }
const CHUNK = 1000

async function bulk(queue, of) {
  for (let at = 0; at < of; at += CHUNK) {
    const chunk = Array.from({ length: Math.min(CHUNK, of - at) }, (_, n) => ({
      name: 'job',
      data: { input: `input ${at + n}` }
    }))
    await queue.addBulk(chunk)
  }
}

// A worker process on a queue that holds `of` jobs, from go to the last durable completion.
async function drain(figure, queue, of) {
  const worker = await driver.Worker.start(queue.name, of)
  const started = performance.now()
  worker.go()
  await worker.hear('done')
  driver.tellRate(figure, of, started)
  const left = await queue.getJobCounts('waiting', 'active', 'failed')
  if (left.waiting + left.active + left.failed > 0) throw new Error(JSON.stringify(left))
  await worker.dismiss()
}

async function bench() {
  const connection = connect()
  const open = name => new Queue(name, { connection, defaultJobOptions: OPTIONS })
  const [jobs, singles, spawned] = [60_000, 20_000, 1_500].map(driver.count)

  const queue = open('drain')
  await queue.waitUntilReady()
  let started = performance.now()
  await bulk(queue, jobs)
  driver.tellRate('bulk', jobs, started)
  await drain('drain', queue, jobs)

  const one = open('singles')
  started = performance.now()
  await driver.submitFrom64(singles, n => one.add('job', { input: `input ${n}` }))
  driver.tellRate('singles', singles, started)
  await one.obliterate({ force: true })

  // Whoever waits for a job may look for it after it has finished: these are kept.
  const trips = new Queue('trips', { connection })
  const events = new QueueEvents('trips', { connection: connect() })
  await events.waitUntilReady()
  const worker = await driver.Worker.start('trips', 0)
  worker.go()
  await driver.tellTrips(driver.count(500), async n => {
    const job = await trips.add('job', { input: `input ${n}` })
    await job.waitUntilFinished(events, 10_000)
  })
  await worker.dismiss()

  const spawning = open('spawn')
  await bulk(spawning, spawned)
  await drain('processes', spawning, spawned)
}

// `completed` follows the script that finishes the job in Redis, so the last one is the end.
async function work(name, of) {
  const handler = name === 'spawn' ? driver.runTrue : async () => {}
  const concurrency = name === 'spawn' ? 8 : 100
  const options = { connection: connect(), concurrency, autorun: false }
  const worker = new BullWorker(name, handler, options)
  await worker.waitUntilReady()
  let left = Number(of)
  worker.on('completed', () => --left === 0 && driver.say('done'))
  await driver.awaitGo()
  await worker.run()
}

await driver.main(bench, work)
