package dev.mlxnative.internal.compute;

import dev.mlxnative.internal.background.StackReserve;
import dev.mlxnative.internal.device.RefCountedHandle;
import dev.mlxnative.internal.shim.CommandLayout;
import dev.mlxnative.internal.shim.QueueShim.Outcome;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The commands of a command buffer until it is committed or abandoned, in the layout of {@code mlxshim.h}. Keeps alive
 * all that they use: kernels and events by their handles, buffers by being reachable.
 *
 * <p>Of one thread at a time. A thread that changes the commands while another one does gets an exception: mixed words
 * would have the native library read memory at random.
 */
public final class CommandEncoder {
    private static final VarHandle USER;

    static {
        try {
            USER = MethodHandles.lookup().findVarHandle(CommandEncoder.class, "user", Thread.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private enum State {
        OPEN,
        COMMITTED,
        ABANDONED
    }

    private final SubmissionQueue queue;
    private final CommandBufferUse use;
    private final CommandStorage storage;
    private boolean concurrent;
    private volatile State state = State.OPEN;

    /** The thread that changes the commands at this moment. */
    private @Nullable Thread user;

    CommandEncoder(SubmissionQueue queue, CommandBufferUse use, CommandStorage storage) {
        this.queue = queue;
        this.use = use;
        this.storage = storage;
        // The JVM links the methods of a VarHandle at their first call, which can fail: here nothing is lost by that.
        enter();
        exit();
    }

    /**
     * Begins a change of the commands, which {@link #exit} ends.
     *
     * @throws IllegalStateException if another thread is changing them
     */
    public void enter() {
        StackReserve.require();
        Thread current = Thread.currentThread();
        if (!USER.compareAndSet(this, null, current)) {
            Thread other = (Thread) USER.getAcquire(this);
            if (other != current) {
                throw new IllegalStateException(
                        describe() + " is used by " + (other == null ? "another thread" : "the " + other)
                                + " at this moment: it is of one thread at a time");
            }
        }
    }

    /** Ends a change of the commands. */
    public void exit() {
        USER.setRelease(this, null);
    }

    /** The use of memory by these commands. */
    public CommandBufferUse use() {
        return use;
    }

    CommandWords stream() {
        return storage.stream;
    }

    /** Whether the dispatches that follow may run at the same time. */
    public boolean isConcurrent() {
        return concurrent;
    }

    /** Whether the command buffer is neither committed nor abandoned. */
    public boolean isOpen() {
        return state == State.OPEN;
    }

    /** Whether the command buffer is committed. */
    public boolean isCommitted() {
        return state == State.COMMITTED;
    }

    /**
     * Checks that commands may be added.
     *
     * @throws IllegalStateException if the command buffer is committed or abandoned
     */
    public void requireOpen() {
        if (state != State.OPEN) {
            throw new IllegalStateException(
                    describe() + (state == State.COMMITTED ? " is committed" : " is closed") + ": make a new one");
        }
    }

    private String describe() {
        String label = use.label();
        return label == null ? "the command buffer" : "the command buffer '" + label + "'";
    }

    /** Makes room so that {@link #keep} cannot fail. Called after {@link #enter}. */
    public void reserveKept() {
        storage.buffers.ensureCapacity(storage.buffers.size() + 1);
    }

    /** Keeps a buffer reachable until the commit. Called after {@link #enter}. */
    public void keep(Object buffer) {
        storage.buffers.add(buffer);
    }

    /**
     * Keeps a kernel alive until the commit.
     *
     * @throws IllegalStateException if it is destroyed, the command buffer is committed or abandoned, or another thread
     *     is using it
     */
    void use(Pipeline pipeline) {
        if (pipeline.lastUser == use) {
            requireOpen();
            return;
        }
        enter();
        try {
            requireOpen();
            storage.pipelines.ensureCapacity(storage.pipelines.size() + 1);
            pipeline.handle().acquire();
            storage.pipelines.add(pipeline);
            pipeline.lastUser = use;
        } finally {
            exit();
        }
    }

    /** Adds a copy of bytes of one buffer to another; the caller has checked the ranges. */
    public void copy(long from, long fromOffset, long to, long toOffset, long bytes) {
        add(CommandLayout.COPY, from, fromOffset, to, toOffset, bytes);
    }

    /** Adds a fill of bytes of a buffer; the caller has checked the range. */
    public void fill(long buffer, long offset, long bytes, byte value) {
        add(CommandLayout.FILL, buffer, offset, bytes, Byte.toUnsignedLong(value));
    }

    /**
     * Adds a signal of an event.
     *
     * @throws IllegalStateException if the event is closed
     */
    public void signal(RefCountedHandle event, long value) {
        addEvent(CommandLayout.SIGNAL, event, value);
    }

    /**
     * Adds a wait for an event.
     *
     * @throws IllegalStateException if the event is closed
     */
    public void waitFor(RefCountedHandle event, long value) {
        addEvent(CommandLayout.WAIT, event, value);
    }

    private void addEvent(int opcode, RefCountedHandle event, long value) {
        enter();
        try {
            requireOpen();
            event.requireOpen();
            storage.events.ensureCapacity(storage.events.size() + 1);
            event.acquire();
            storage.events.add(event);
            append(opcode, event.handle().address(), value);
        } finally {
            exit();
        }
    }

    /** Adds a barrier. */
    public void barrier() {
        add(CommandLayout.BARRIER);
    }

    /** Sets whether the dispatches that follow may run at the same time. */
    public void setConcurrent(boolean value) {
        enter();
        try {
            requireOpen();
            if (value != concurrent) {
                append(CommandLayout.CONCURRENT, value ? 1 : 0);
                concurrent = value;
            }
        } finally {
            exit();
        }
    }

    private void add(int opcode, long... operands) {
        enter();
        try {
            requireOpen();
            append(opcode, operands);
        } finally {
            exit();
        }
    }

    /** Appends a command to the stream, which is open. Called after {@link #enter}. */
    private void append(int opcode, long... operands) {
        int length = 1 + operands.length;
        CommandWords stream = stream();
        long[] to = stream.reserve(length);
        int at = stream.length();
        to[at] = CommandWords.pair(opcode, length * Long.BYTES);
        System.arraycopy(operands, 0, to, at + 1, operands.length);
        stream.add(length);
    }

    /** The names of the kernels, each once. */
    List<String> kernelNames() {
        List<Pipeline> pipelines = storage.pipelines;
        List<String> names = new ArrayList<>(pipelines.size());
        for (int i = 0; i < pipelines.size(); i++) {
            String name = pipelines.get(i).name();
            if (!names.contains(name)) {
                names.add(name);
            }
        }
        return names;
    }

    /**
     * Commits the commands.
     *
     * @throws IllegalStateException if the command buffer is committed or abandoned, another thread is using it, the
     *     queue is closed, or too many command buffers are in flight; in the last case it can be committed later
     */
    public void commit() {
        enter();
        try {
            requireOpen();
            try {
                queue.commit(this);
            } finally {
                if (!use.waitsForProgram()) {
                    end(State.COMMITTED);
                }
            }
        } finally {
            exit();
        }
    }

    /**
     * Gives up the commands. Does nothing if they were committed or given up before.
     *
     * @throws IllegalStateException if another thread is using the command buffer
     */
    public void abandon() {
        enter();
        try {
            abandonUnused();
        } finally {
            exit();
        }
    }

    /** As {@link #abandon}, when no thread can use the commands. */
    public void abandonUnused() {
        StackReserve.require();
        if (state == State.OPEN) {
            queue.abandon(this);
            end(State.ABANDONED);
        }
    }

    /**
     * Waits until the command buffer, which is committed, is complete.
     *
     * @throws dev.mlxnative.CommandBufferException if it has failed
     */
    public void await() throws InterruptedException {
        queue.await(use);
    }

    /** How the command buffer, which is committed, ended; null if it has not. */
    public @Nullable Outcome outcome() {
        return queue.outcome(use);
    }

    /** Whether the GPU has begun with the command buffer, which is committed, or will at once. */
    public boolean isScheduled() {
        return queue.isScheduled(use);
    }

    private void end(State ended) {
        state = ended;
        storage.clear();
        queue.storages().keep(storage);
    }
}
