/**
 * The allocator engine of a pool. {@code PoolEngine} wires it, and is what the API calls, with {@code PoolConfig} and
 * {@code LimitSettings} as arguments. May use: {@code device}, {@code observe}, {@code background} and the vocabulary.
 * Only this package may change a block.
 *
 * <p><b>Glossary.</b> A <i>block</i> is a range of device memory that is leased as a whole: a native buffer, or a range
 * of a <i>chunk</i> or <i>slab</i>. A <i>lease</i> lasts from its issue to its end; the block's <i>generation</i>
 * numbers it. A <i>bucket</i> is a capacity that requests are rounded to; a <i>bin</i> is a range of capacities with
 * one list. A <i>shard</i> holds a part of the leases, and a <i>cache</i> of blocks for the next ones. <i>Parked</i>
 * memory waits for a fence. <i>Quarantined</i> ranges belonged to leaked leases and wait for the end of their native
 * buffer.
 *
 * <p><b>States of a block</b>, and the lock that guards its fields:
 *
 * <pre>
 *   new --commit--> leased (shard) --end--> cached (shard) --lease--> leased
 *                     |                        |
 *                     | end, not cacheable     | flush
 *                     v                        v
 *                  retiring (its thread) --> free (pool) --reuse--> leased
 *                     |        |                |
 *                     | fence  | leak           | evict, trim, sweep, close
 *                     v        v                v
 *                  parked   quarantined  --> freeing (its thread) --> freed
 *                  (pending)  (pool)
 *                     | fence complete
 *                     v
 *                    free
 * </pre>
 *
 * <p>A native buffer that is all free may be <i>offered</i> to the system, which then takes the contents if memory is
 * scarce. {@code Reuse} takes it back before a lease on it is issued.
 *
 * <p><b>Lock order.</b> A scope's lock, then the pool's, then the shards' in ascending order or that of the pending
 * releases or of sleeping requests. No driver call, foreign code (fences, loggers, events, files) or I/O happens under
 * the pool's lock or one below it: transactions add it to the {@code Backlog}.
 */
@NullMarked
package dev.mlxnative.internal.pool;

import org.jspecify.annotations.NullMarked;
