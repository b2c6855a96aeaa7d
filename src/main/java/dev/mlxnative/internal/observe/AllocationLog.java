package dev.mlxnative.internal.observe;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.internal.background.DaemonThreads;
import dev.mlxnative.internal.background.DaemonTimer;
import dev.mlxnative.internal.background.Log;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A file with every request and release of a pool, in the format of RMM's logs. The pointer of a line is the address of
 * the memory, so the lines of one pointer alternate between {@code allocate} and {@code free}. Thread-safe.
 *
 * <p>A line is in the file a second later, and when the JVM exits. Only while lines are still to be written do the
 * timer and the exit hook refer to the log: one that is dropped rather than closed becomes garbage, and the JDK then
 * closes its file.
 *
 * <p>If the file cannot be written any more, the log ends with a warning, and the pool goes on.
 */
public final class AllocationLog {
    private static final int BUFFERED_CHARACTERS = 1 << 16;
    private static final long FLUSH_NANOS = TimeUnit.SECONDS.toNanos(1);
    /** How long the exit of the JVM waits for a file that blocks, such as a pipe. */
    private static final Duration EXIT_WAIT = Duration.ofSeconds(2);

    private final Path file;
    private final OutputStream out;
    private final long start = System.nanoTime();

    private final ReentrantLock lock = new ReentrantLock();

    /** Lines that are not written yet. The file gets whole lines alone: it can be replayed after a crash. */
    @GuardedBy("lock")
    private final StringBuilder lines = new StringBuilder(BUFFERED_CHARACTERS + 256);

    private final DaemonTimer.Task flush = DaemonTimer.shared().task(this::flush);
    private final Thread exitHook = DaemonThreads.unstarted("mlx-log-exit", this::flushAtExit);

    /** Whether the timer and the exit hook are going to write the lines. */
    @GuardedBy("lock")
    private boolean flushPlanned;

    @GuardedBy("lock")
    private boolean closed;

    /**
     * Creates the file, or empties it.
     *
     * @throws UncheckedIOException if it cannot be written
     */
    public AllocationLog(Path file) {
        this.file = file;
        try {
            // Unlike a channel, this stream is not closed by an interrupt of the thread that writes.
            out = Files.newOutputStream(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot record a trace in " + file, e);
        }
        lines.append("Thread,Time,Action,Pointer,Size,Stream\n");
    }

    /** A lease is about to begin. */
    public void allocated(long address, long requestedBytes) {
        write("allocate", address, requestedBytes);
    }

    /** A lease has ended, and its memory is not yet free for another one. */
    public void freed(long address, long requestedBytes) {
        write("free", address, requestedBytes);
    }

    /** A request was refused. */
    public void failed(long requestedBytes) {
        write("allocate failure", 0, requestedBytes);
    }

    private void write(String action, long pointer, long size) {
        long thread = Thread.currentThread().threadId();
        Throwable failure = null;
        lock.lock();
        try {
            if (closed) {
                return;
            }
            long micros = TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - start);
            lines.append(thread)
                    .append(',')
                    .append(micros)
                    .append(',')
                    .append(action)
                    .append(",0x");
            appendHex(pointer);
            lines.append(',').append(size).append(",0\n");
            if (lines.length() >= BUFFERED_CHARACTERS || !planFlush()) {
                failure = writeLines();
            }
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            breakOff(failure);
        }
    }

    /** Appends a number, without a string that the heap may have no room for: the line would stay incomplete. */
    @GuardedBy("lock")
    private void appendHex(long number) {
        int digits = Math.max(1, (Long.SIZE - Long.numberOfLeadingZeros(number) + 3) / 4);
        for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
            lines.append(Character.forDigit((int) (number >>> shift) & 15, 16));
        }
    }

    /** Has the lines written within a second, and at exit; false if the caller must write them. */
    @GuardedBy("lock")
    private boolean planFlush() {
        if (!flushPlanned) {
            try {
                Runtime.getRuntime().addShutdownHook(exitHook);
            } catch (IllegalStateException e) {
                return false; // the JVM is exiting
            }
            flushPlanned = true;
            if (!flush.schedule(FLUSH_NANOS)) {
                cancelFlush();
            }
        }
        return flushPlanned;
    }

    @GuardedBy("lock")
    private void cancelFlush() {
        if (flushPlanned) {
            flushPlanned = false;
            flush.cancel();
            try {
                Runtime.getRuntime().removeShutdownHook(exitHook);
            } catch (IllegalStateException e) {
                // The JVM is exiting: the hook has started.
            }
        }
    }

    /** Writes the lines; returns the failure, after which the log is closed. */
    @GuardedBy("lock")
    private @Nullable Throwable writeLines() {
        try {
            out.write(lines.toString().getBytes(StandardCharsets.US_ASCII));
            lines.setLength(0);
            return null;
        } catch (Throwable e) {
            closed = true;
            cancelFlush();
            return e;
        }
    }

    private void flush() {
        Throwable failure = null;
        lock.lock();
        try {
            if (flushPlanned) {
                cancelFlush();
                failure = writeLines();
            }
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            breakOff(failure);
        }
    }

    /** Writes the lines when the JVM exits. Later lines are written one by one. */
    private void flushAtExit() {
        Thread writer = DaemonThreads.unstarted("mlx-log", this::flush);
        writer.start();
        try {
            writer.join(EXIT_WAIT);
        } catch (InterruptedException e) {
            // The hook ends, as the interrupt asks.
        }
    }

    /** Closes the file and logs why. The caller does not hold the lock, because a logger is foreign code. */
    private void breakOff(Throwable cause) {
        try {
            out.close();
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        Log.warn("the trace in " + file + " breaks off", cause);
    }

    /** Writes the remaining lines and closes the file. Later requests and releases are not recorded. */
    public void close() {
        Throwable failure = null;
        lock.lock();
        try {
            if (closed) {
                return;
            }
            cancelFlush();
            failure = writeLines();
            closed = true;
            if (failure == null) {
                out.close();
            }
        } catch (IOException e) {
            failure = e;
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            breakOff(failure);
        }
    }
}
