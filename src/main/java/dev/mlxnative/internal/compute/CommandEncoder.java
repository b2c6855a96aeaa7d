package dev.mlxnative.internal.compute;

import dev.mlxnative.internal.background.StackReserve;
import dev.mlxnative.internal.device.RefCountedHandle;
import dev.mlxnative.internal.shim.CommandLayout;
import dev.mlxnative.internal.shim.QueueShim.Outcome;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The commands of a command buffer until it is committed or abandoned, in the layout of {@code mlxshim.h}. Keeps alive
 * all that they use: kernels and events by their handles, buffers by being reachable. Of one thread at a time.
 */
public final class CommandEncoder {
    private static final long WORD = Long.BYTES;

    /* Lengths of the commands, the first words included. */
    private static final int COPY_BYTES = 48;
    private static final int FILL_BYTES = 40;
    private static final int EVENT_BYTES = 24;
    private static final int BARRIER_BYTES = 8;
    private static final int CONCURRENT_BYTES = 16;

    private enum State {
        OPEN,
        COMMITTED,
        ABANDONED
    }

    private final SubmissionQueue queue;
    private final CommandBufferUse use;
    private final CommandMemory memory;
    private final DispatchEncoder dispatch = new DispatchEncoder(this);
    /* With capacities: ensureCapacity leaves an empty list without one as it is, and add would need heap. */
    private final ArrayList<Pipeline> pipelines = new ArrayList<>(1);
    private final ArrayList<RefCountedHandle> events = new ArrayList<>(1);
    private final ArrayList<Object> buffers = new ArrayList<>(1);
    private long length;
    private boolean concurrent;
    private State state = State.OPEN;

    CommandEncoder(SubmissionQueue queue, CommandBufferUse use, CommandMemory memory) {
        this.queue = queue;
        this.use = use;
        this.memory = memory;
    }

    /** The use of memory by these commands. */
    public CommandBufferUse use() {
        return use;
    }

    CommandMemory memory() {
        return memory;
    }

    /** Bytes of the stream so far. */
    long length() {
        return length;
    }

    /** A command of this many bytes was written after the stream, and becomes a part of it. */
    void append(long bytes) {
        length += bytes;
    }

    /** Encodes the dispatches. */
    public DispatchEncoder dispatch() {
        return dispatch;
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

    /** Makes room so that {@link #keep} cannot fail. */
    public void reserveKept() {
        buffers.ensureCapacity(buffers.size() + 1);
    }

    /** Keeps a buffer reachable until the commit. */
    public void keep(Object buffer) {
        buffers.add(buffer);
    }

    /**
     * Begins a dispatch, in place of one that was begun.
     *
     * @throws IllegalStateException if the kernel is destroyed
     */
    public void begin(Pipeline pipeline) {
        requireOpen();
        if (pipeline.lastUser != use) {
            StackReserve.require();
            pipelines.ensureCapacity(pipelines.size() + 1);
            pipeline.handle().acquire();
            pipelines.add(pipeline);
            pipeline.lastUser = use;
        }
        dispatch.begin(pipeline);
    }

    /** Adds a copy of bytes of one buffer to another; the caller has checked the ranges. */
    public void copy(long from, long fromOffset, long to, long toOffset, long bytes) {
        long at = begin(CommandLayout.COPY, COPY_BYTES);
        memory.put(at, from);
        memory.put(at + WORD, fromOffset);
        memory.put(at + 2 * WORD, to);
        memory.put(at + 3 * WORD, toOffset);
        memory.put(at + 4 * WORD, bytes);
        append(COPY_BYTES);
    }

    /** Adds a fill of bytes of a buffer; the caller has checked the range. */
    public void fill(long buffer, long offset, long bytes, byte value) {
        long at = begin(CommandLayout.FILL, FILL_BYTES);
        memory.put(at, buffer);
        memory.put(at + WORD, offset);
        memory.put(at + 2 * WORD, bytes);
        memory.put(at + 3 * WORD, Byte.toUnsignedLong(value));
        append(FILL_BYTES);
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
        StackReserve.require();
        long at = begin(opcode, EVENT_BYTES);
        event.requireOpen();
        events.ensureCapacity(events.size() + 1);
        event.acquire();
        events.add(event);
        memory.put(at, event.handle().address());
        memory.put(at + WORD, value);
        append(EVENT_BYTES);
    }

    /** Adds a barrier. */
    public void barrier() {
        begin(CommandLayout.BARRIER, BARRIER_BYTES);
        append(BARRIER_BYTES);
    }

    /** Sets whether the dispatches that follow may run at the same time. */
    public void setConcurrent(boolean value) {
        long at = begin(CommandLayout.CONCURRENT, CONCURRENT_BYTES);
        if (value != concurrent) {
            memory.put(at, value ? 1 : 0);
            append(CONCURRENT_BYTES);
            concurrent = value;
        }
    }

    /**
     * Writes the first word of a command, and returns the offset of the next one. Gives up a dispatch that was begun.
     */
    private long begin(int opcode, int bytes) {
        requireOpen();
        dispatch.drop();
        memory.require(length + bytes);
        memory.putPair(length, opcode, bytes);
        return length + WORD;
    }

    /** The names of the kernels, each once. */
    List<String> kernelNames() {
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
     * @throws IllegalStateException if the command buffer is committed or abandoned, the queue is closed, or too many
     *     command buffers are in flight; in the last case it can be committed later
     */
    public void commit() {
        StackReserve.require();
        requireOpen();
        try {
            queue.commit(this);
        } finally {
            if (!use.waitsForProgram()) {
                end(State.COMMITTED);
            }
        }
    }

    /** Gives up the commands. Does nothing if they were committed or given up before. */
    public void abandon() {
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
        dispatch.drop();
        buffers.clear();
        while (!pipelines.isEmpty()) {
            pipelines.removeLast().handle().release();
        }
        while (!events.isEmpty()) {
            events.removeLast().release();
        }
    }
}
