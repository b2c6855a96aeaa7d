package dev.mlxnative.bench.jmh;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The threads that run the benchmarks: Netty's, since its allocators have their caches and recycle their objects on
 * these alone. To anyone else they are threads like others.
 */
public class NettyThreads extends ThreadPoolExecutor {

    /** With the parameters that JMH passes. */
    public NettyThreads(int threads, String prefix) {
        super(
                threads,
                threads,
                0,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(),
                new DefaultThreadFactory(prefix, true));
    }
}
