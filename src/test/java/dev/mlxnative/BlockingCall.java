package dev.mlxnative;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.CountDownLatch;

/** A native call that holds a segment for a second: {@code poll} of no file descriptors. */
final class BlockingCall implements AutoCloseable {
    private static final int MILLIS = 1000;
    private static final MethodHandle POLL = Linker.nativeLinker()
            .downcallHandle(
                    Linker.nativeLinker().defaultLookup().find("poll").orElseThrow(),
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));

    private final Thread thread;

    private BlockingCall(Thread thread) {
        this.thread = thread;
    }

    /** Starts a call on another thread, and returns when it is under way. */
    static BlockingCall on(MemorySegment segment) throws InterruptedException {
        CountDownLatch started = new CountDownLatch(1);
        Thread thread = Thread.ofPlatform().start(() -> {
            started.countDown();
            try {
                int ready = (int) POLL.invokeExact(segment, 0L, MILLIS);
            } catch (Throwable e) {
                throw new AssertionError(e);
            }
        });
        started.await();
        // The state of a thread does not show whether it is in native code, so that this waits long enough for the
        // call.
        Thread.sleep(MILLIS / 5);
        return new BlockingCall(thread);
    }

    /** Waits for the call to end. */
    @Override
    public void close() throws InterruptedException {
        thread.join();
    }
}
