package dev.mlxnative;

import java.util.ArrayList;
import java.util.List;

/** For a forked JVM: threads, platform and virtual, that each make every kind of native call once and end. */
final class ShortThreads {
    private static final int AT_ONCE = 50;

    private ShortThreads() {}

    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[0]);
        try (MlxDevice device = MlxDevice.open()) {
            long before = device.allocatedBytes();
            for (int started = 0; started < count; started += AT_ONCE) {
                List<Thread> threads = new ArrayList<>();
                for (int i = 0; i < AT_ONCE; i++) {
                    Runnable task = () -> useEverything(device);
                    threads.add(
                            i % 2 == 0
                                    ? Thread.ofPlatform().start(task)
                                    : Thread.ofVirtual().start(task));
                }
                for (Thread thread : threads) {
                    thread.join();
                }
            }
            System.out.print((device.allocatedBytes() - before) + " bytes left\n");
        }
    }

    private static void useEverything(MlxDevice shared) {
        try (MlxDevice device = MlxDevice.open();
                MlxBuffer buffer = device.allocBuffer(DType.U8, 5000);
                MlxSharedEvent event = shared.newSharedEvent()) {
            buffer.label("short-lived");
            buffer.segment().fill((byte) 1);
            event.signal(1);
            event.at(1).await();
            if (event.signaledValue() != 1 || shared.allocatedBytes() < 5000) {
                throw new AssertionError("lost count");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
