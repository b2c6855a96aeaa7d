package dev.mlxnative;

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
 * Writes what a pool is asked for, in the format of RMM's logs. A pointer in it is the address of the native memory, so
 * that the lines of one pointer alternate between {@code allocate} and {@code free}.
 *
 * <p>A file that cannot be written any more ends the trace, with a warning, and no request.
 */
final class TraceWriter {
    private static final System.Logger LOG = System.getLogger("dev.mlxnative");

    private static final int BUFFERED_CHARACTERS = 1 << 16;

    private final Path file;
    private final OutputStream out;
    private final long start = System.nanoTime();

    private final ReentrantLock lock = new ReentrantLock();
    /* Guarded by the lock. */
    /** Only whole lines are written out: a file that breaks off, because the process did, can still be replayed. */
    private final StringBuilder lines = new StringBuilder(BUFFERED_CHARACTERS + 256);

    private boolean closed;

    /**
     * Creates the file, or empties it.
     *
     * @throws UncheckedIOException if it cannot be written
     */
    TraceWriter(Path file) {
        this.file = file;
        try {
            out = Files.newOutputStream(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot record a trace in " + file, e);
        }
        lines.append("Thread,Time,Action,Pointer,Size,Stream\n");
    }

    /** A lease is about to begin. */
    void allocated(Block block) {
        write("allocate", block.address(), block.requestedBytes);
    }

    /** A lease has ended, and its memory is nobody else's yet. */
    void freed(Block block) {
        write("free", block.address(), block.requestedBytes);
    }

    void failed(long byteLength) {
        write("allocate failure", 0, byteLength);
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

    private byte[] takeLines() {
        byte[] bytes = lines.toString().getBytes(StandardCharsets.US_ASCII);
        lines.setLength(0);
        return bytes;
    }

    /** Without the lock: a logger is other people's code. */
    private void breakOff(IOException cause) {
        try {
            out.close();
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        LOG.log(Level.WARNING, "the trace in " + file + " breaks off", cause);
    }

    /** Writes what is left. What happens after is not in the trace. */
    void close() {
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
