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

    /* Lengths of the commands in words, the first one included. */
    private static final int COPY_WORDS = 6;
    private static final int FILL_WORDS = 5;
    private static final int EVENT_WORDS = 3;
    private static final int BARRIER_WORDS = 1;
    private static final int CONCURRENT_WORDS = 2;

    private enum State {
        OPEN,
        COMMITTED,
        ABANDONED
    }

    private final SubmissionQueue queue;
    private final CommandBufferUse use;
    private final CommandStorage storage;
    private boolean concurrent;
    private State state = State.OPEN;

    /** The thread that changes the commands at this moment. It stays so if an error of the VM breaks {@link #exit}. */
    private @Nullable Thread user;

    CommandEncoder(SubmissionQueue queue, CommandBufferUse use, CommandStorage storage) {
        this.queue = queue;
        this.use = use;
        this.storage = storage;
    }

    /**
     * Begins a change of the commands, which {@link #exit} ends.
     *
     * @throws IllegalStateException if another thread is changing them
     */
    public void enter() {
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
        StackReserve.require();
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
        enter();
        try {
            int at = begin(CommandLayout.COPY, COPY_WORDS);
            long[] words = stream().array();
            words[at] = from;
            words[at + 1] = fromOffset;
            words[at + 2] = to;
            words[at + 3] = toOffset;
            words[at + 4] = bytes;
            stream().add(COPY_WORDS);
        } finally {
            exit();
        }
    }

    /** Adds a fill of bytes of a buffer; the caller has checked the range. */
    public void fill(long buffer, long offset, long bytes, byte value) {
        enter();
        try {
            int at = begin(CommandLayout.FILL, FILL_WORDS);
            long[] words = stream().array();
            words[at] = buffer;
            words[at + 1] = offset;
            words[at + 2] = bytes;
            words[at + 3] = Byte.toUnsignedLong(value);
            stream().add(FILL_WORDS);
        } finally {
            exit();
        }
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
        enter();
        try {
            int at = begin(opcode, EVENT_WORDS);
            event.requireOpen();
            storage.events.ensureCapacity(storage.events.size() + 1);
            event.acquire();
            storage.events.add(event);
            long[] words = stream().array();
            words[at] = event.handle().address();
            words[at + 1] = value;
            stream().add(EVENT_WORDS);
        } finally {
            exit();
        }
    }

    /** Adds a barrier. */
    public void barrier() {
        enter();
        try {
            begin(CommandLayout.BARRIER, BARRIER_WORDS);
            stream().add(BARRIER_WORDS);
        } finally {
            exit();
        }
    }

    /** Sets whether the dispatches that follow may run at the same time. */
    public void setConcurrent(boolean value) {
        enter();
        try {
            int at = begin(CommandLayout.CONCURRENT, CONCURRENT_WORDS);
            if (value != concurrent) {
                stream().array()[at] = value ? 1 : 0;
                stream().add(CONCURRENT_WORDS);
                concurrent = value;
            }
        } finally {
            exit();
        }
    }

    /** Writes the first word of a command behind the stream, and returns the index of the next one. */
    private int begin(int opcode, int length) {
        requireOpen();
        long[] words = stream().reserve(length);
        int at = stream().length();
        words[at] = CommandWords.pair(opcode, length * Long.BYTES);
        return at + 1;
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
        StackReserve.require();
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
        StackReserve.require();
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
        queue.keep(storage);
    }
}
