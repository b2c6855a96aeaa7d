package dev.mlxnative.internal.observe;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A file with every request and release of a pool, in the format of RMM's logs. The pointer of a line is the address of
 * the memory, so the lines of one pointer alternate between {@code allocate} and {@code free}. Thread-safe.
 *
 * <p>If the file cannot be written any more, the log ends with a warning, and the pool goes on.
 */
public final class AllocationLog {
    private static final System.Logger LOG = System.getLogger("dev.mlxnative");

    private static final int BUFFERED_CHARACTERS = 1 << 16;

    private final Path file;
    private final OutputStream out;
    private final long start = System.nanoTime();

    private final ReentrantLock lock = new ReentrantLock();

    /** Lines that are not written yet. The file gets whole lines alone: it can be replayed after a crash. */
    @GuardedBy("lock")
    private final StringBuilder lines = new StringBuilder(BUFFERED_CHARACTERS + 256);

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
        IOException failure = null;
        lock.lock();
        try {
            if (closed) {
                return;
            }
            long micros = TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - start);
            lines.append(thread).append(',').append(micros).append(',').append(action);
            lines.append(",0x").append(Long.toHexString(pointer));
            lines.append(',').append(size).append(",0\n");
            if (lines.length() >= BUFFERED_CHARACTERS) {
                out.write(takeLines());
            }
        } catch (IOException e) {
            failure = e;
            closed = true;
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            breakOff(failure);
        }
    }

    @GuardedBy("lock")
    private byte[] takeLines() {
        byte[] bytes = lines.toString().getBytes(StandardCharsets.US_ASCII);
        lines.setLength(0);
        return bytes;
    }

    /** Closes the file and logs why. The caller does not hold the lock, because a logger is foreign code. */
    private void breakOff(IOException cause) {
        try {
            out.close();
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        LOG.log(Level.WARNING, "the trace in " + file + " breaks off", cause);
    }

    /** Writes the remaining lines and closes the file. Later requests and releases are not recorded. */
    public void close() {
        IOException failure = null;
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            out.write(takeLines());
            out.close();
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
