package dev.mlxnative;

import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/** An application that a test loads with a class loader of its own, and that uses what the library does by itself. */
public final class WebApplication implements Callable<Void> {
    private final Path folder;
    private final boolean closes;

    /** @param closes whether the application closes its pool and its event, or drops them */
    public WebApplication(Path folder, boolean closes) {
        this.folder = folder;
        this.closes = closes;
    }

    @Override
    public Void call() throws Exception {
        try (MlxDevice device = MlxDevice.open()) {
            MlxBufferPool pool = MlxBufferPool.builder(device)
                    .trimIdleAfter(closes ? Duration.ofDays(1) : Duration.ofMillis(50))
                    .leakDetection(LeakDetection.FULL)
                    .traceTo(folder.resolve("trace.csv"))
                    .build();
            MlxSharedEvent event = device.newSharedEvent();
            use(pool, event);
            manage(pool);
            map(device);
            if (closes) {
                pool.close();
                event.close();
            }
        }
        return null;
    }

    private static void use(MlxBufferPool pool, MlxSharedEvent event) throws InterruptedException {
        for (int i = 0; i < 1000; i++) {
            pool.alloc(DType.F32, 1000).close();
        }
        try (MlxScope scope = pool.scope()) {
            scope.allocate(1000, 16);
        }
        pool.release(pool.alloc(DType.F32, 1000), event.at(1));
        Thread waiter = Thread.startVirtualThread(() -> {
            try {
                event.at(1).await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        event.signal(1);
        waiter.join();
    }

    private static void manage(MlxBufferPool pool) throws Exception {
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        MlxBufferPoolMXBean bean = pool.mxBean();
        ObjectName name = server.registerMBean(bean, bean.getObjectName()).getObjectName();
        server.getAttribute(name, "CachedBytes");
        server.unregisterMBean(name);
    }

    private void map(MlxDevice device) throws Exception {
        Path file = Files.write(folder.resolve("weights"), new byte[4096]);
        device.map(file, 0, DType.F32, 1024).close();
    }
}
