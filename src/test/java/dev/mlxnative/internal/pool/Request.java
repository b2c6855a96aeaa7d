package dev.mlxnative.internal.pool;

import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;

/** A request for memory that another thread makes. */
record Request(Thread thread, FutureTask<Lease> result) {
    /** Begins a request. */
    static Request of(PoolEngine pool, long byteLength) {
        var result = new FutureTask<>(() -> Lease.of(pool, byteLength));
        return new Request(Thread.ofPlatform().daemon().start(result), result);
    }

    /** Waits until the request is served or denied. */
    Lease get() throws Exception {
        return result.get(10, TimeUnit.SECONDS);
    }
}
