package dev.mlxnative.internal.compute;

import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.device.RefCountedHandle;
import dev.mlxnative.internal.observe.ComputeEvents;
import dev.mlxnative.internal.shim.ComputeShim;
import dev.mlxnative.internal.shim.FunctionConstant;
import java.lang.foreign.MemorySegment;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Compiled kernels, and a cache of those that were made ready to run. Thread-safe. */
public final class CompiledLibrary {
    /** How many names a message suggests. */
    private static final int SUGGESTIONS = 3;

    private final RefCountedHandle handle;
    private final String name;
    private final List<String> kernelNames;
    private final DeviceLimits limits;
    private final ConcurrentHashMap<Key, Entry> entries = new ConcurrentHashMap<>();

    private record Key(String name, List<FunctionConstant> constants) {}

    /** A kernel that is made ready at first use, by one thread. */
    private static final class Entry {
        private final ReentrantLock lock = new ReentrantLock();
        private @Nullable Pipeline pipeline;
    }

    private CompiledLibrary(NativeDevice device, MemorySegment library, String name) {
        this.name = name;
        this.kernelNames = ComputeShim.functionNames(library);
        this.limits = DeviceLimits.of(device.handle().handle());
        this.handle = new RefCountedHandle("library", library, ComputeShim::releaseLibrary);
    }

    /** Compiles a source: see {@link ComputeShim#compile}. */
    public static CompiledLibrary compile(
            NativeDevice device, String name, String source, String macros, int languageVersion, boolean fastMath) {
        ComputeEvents.Compiled event = new ComputeEvents.Compiled(name, "");
        CompiledLibrary library = create(
                device,
                opened -> ComputeShim.compile(
                        opened,
                        source,
                        macros,
                        languageVersion,
                        fastMath,
                        compiled -> new CompiledLibrary(device, compiled, name)));
        event.commit();
        return library;
    }

    /** Loads a file of compiled kernels: see {@link ComputeShim#loadLibrary}. */
    public static CompiledLibrary load(NativeDevice device, String path) {
        return create(
                device,
                opened -> ComputeShim.loadLibrary(opened, path, loaded -> new CompiledLibrary(device, loaded, path)));
    }

    private static CompiledLibrary create(NativeDevice device, Function<MemorySegment, CompiledLibrary> creation) {
        device.requireOpen();
        return device.handle().use(creation);
    }

    /** The names of the kernels, sorted. */
    public List<String> kernelNames() {
        return kernelNames;
    }

    /**
     * A kernel that is ready to run, with a user more: the caller ends the use of its handle.
     *
     * @throws IllegalArgumentException if there is no kernel of the name
     * @throws IllegalStateException if the library is closed
     */
    public Pipeline kernel(String kernel, List<FunctionConstant> constants) {
        handle.requireOpen();
        if (!kernelNames.contains(kernel)) {
            throw new IllegalArgumentException("the library has no kernel '" + kernel + "'; " + suggestions(kernel));
        }
        Entry entry = entries.computeIfAbsent(new Key(kernel, constants), key -> new Entry());
        entry.lock.lock();
        try {
            handle.requireOpen(); // The thread that closes the library comes for the entry after that.
            Pipeline pipeline = entry.pipeline;
            if (pipeline == null) {
                pipeline = create(kernel, constants);
                entry.pipeline = pipeline;
            }
            pipeline.handle().acquire();
            return pipeline;
        } finally {
            entry.lock.unlock();
        }
    }

    private Pipeline create(String kernel, List<FunctionConstant> constants) {
        ComputeEvents.Compiled event = new ComputeEvents.Compiled(name, kernel);
        Pipeline created = handle.use(library -> ComputeShim.createPipeline(
                library, kernel, constants, pipeline -> new Pipeline(pipeline, kernel, limits)));
        event.commit();
        return created;
    }

    private String suggestions(String kernel) {
        if (kernelNames.isEmpty()) {
            return "it has none";
        }
        List<String> nearest = kernelNames.stream()
                .sorted(Comparator.comparingInt(known -> distance(known, kernel)))
                .limit(SUGGESTIONS)
                .toList();
        return "the nearest names, of " + kernelNames.size() + ", are: " + String.join(", ", nearest);
    }

    /** The least number of characters to insert, remove or replace that makes one text the other. */
    private static int distance(String one, String other) {
        int[] row = new int[other.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= one.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int replaced = diagonal + (one.charAt(i - 1) == other.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[other.length()];
    }

    /** Whether the library is closed. */
    public boolean isClosed() {
        return handle.isClosed();
    }

    /** Releases the library and its cache; kernels in use live on. False if it was closed before. */
    public boolean close() {
        boolean closing = handle.close();
        for (Entry entry : entries.values()) {
            entry.lock.lock();
            try {
                Pipeline pipeline = entry.pipeline;
                if (pipeline != null) {
                    pipeline.handle().close();
                }
            } finally {
                entry.lock.unlock();
            }
        }
        return closing;
    }

    /** For messages: the name that the library was compiled under. */
    public String name() {
        return name;
    }
}
