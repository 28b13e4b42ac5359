// Fetches everything that a root reaches from one peer, over Bitswap, in a private swarm.
//
//   node fetch.mjs MULTIADDR ROOT SWARM-KEY-FILE SECONDS
//
// Prints one JSON line: the blocks in the order of the walk, and the SHA-256 of the raw and file bytes in that order.
// Nothing else is dialled: no bootstrap, no routing, no default of Helia's.
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import * as dagPb from '@ipld/dag-pb'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

const [address, root, key, seconds] = process.argv.slice(2)
const signal = AbortSignal.timeout(Number(seconds) * 1000)

const helia = await withBitswap(withLibp2pLight(createHeliaLight({ codecs: [dagCbor] }), {
  addresses: { listen: [] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionProtector: preSharedKey({ psk: await readFile(key) }),
  services: { identify: identify() }
})).start()

const links = (cid, bytes) => {
  switch (cid.code) {
    case raw.code:
      return []
    case dagPb.code:
      return dagPb.decode(bytes).Links.map(link => link.Hash)
    case dagCbor.code:
      return linked(dagCbor.decode(bytes))
    default:
      throw new Error(`codec ${cid.code} of ${cid}`)
  }
}

const linked = value => {
  const cid = CID.asCID(value)
  if (cid != null) {
    return [cid]
  }
  return value != null && typeof value === 'object' && !(value instanceof Uint8Array)
    ? Object.values(value).flatMap(linked)
    : []
}

try {
  await helia.libp2p.dial(multiaddr(address), { signal })
  const begin = performance.now()
  const content = createHash('sha256')
  const blocks = []
  const seen = new Set()
  let bytes = 0
  const walk = async cid => {
    if (seen.has(cid.toString())) {
      return
    }
    seen.add(cid.toString())
    const block = await gathered(helia.blockstore.get(cid, { signal }))
    blocks.push(cid.toString())
    bytes += block.length
    if (cid.code === raw.code) {
      content.update(block)
    }
    for (const link of links(cid, block)) {
      await walk(link)
    }
  }
  await walk(CID.parse(root))
  const milliseconds = Math.round(performance.now() - begin)
  console.log(JSON.stringify({ blocks, bytes, milliseconds, sha256: content.digest('hex') }))
} finally {
  await helia.stop()
}

// A block comes whole or in pieces.
async function gathered (source) {
  const value = await source
  if (value instanceof Uint8Array) {
    return value
  }
  const pieces = []
  for await (const piece of value) {
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
