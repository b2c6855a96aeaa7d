package dev.mlxnative.internal.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.internal.shim.Shim;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Buffer objects over a read-only mapping of a file. One object covers a mapping that fits into it. A larger mapping
 * gets its objects when a part is first requested; they may overlap, since all of them are the same pages.
 */
final class MappingBacking implements Backing {
    private static final System.Logger LOG = System.getLogger("dev.mlxnative");

    private final RefCountedHandle device;
    private final DeviceTraits traits;
    private final Arena access;
    private final Arena pages;
    private final MemorySegment mapping;
    private volatile boolean copied;

    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private final ArrayList<BufferObject> objects = new ArrayList<>();

    @GuardedBy("lock")
    private boolean released;

    /**
     * Takes over a mapping.
     *
     * @param device acquired by the caller, released with this backing
     * @param access closed by the caller before {@link #release}
     * @param pages the arena of the mapping, closed by {@link #release}
     */
    MappingBacking(RefCountedHandle device, DeviceTraits traits, Arena access, Arena pages, MemorySegment mapping) {
        this.device = device;
        this.traits = traits;
        this.access = access;
        this.pages = pages;
        this.mapping = mapping;
        if (wholePages(mapping.byteSize()) <= traits.maxBufferLength()) {
            covering(0, mapping.byteSize());
        }
    }

    static void warnOfCopy(long bytes) {
        LOG.log(Level.WARNING, "{0} bytes are copied for the device, which cannot share pages with the CPU", bytes);
    }

    @Override
    public BufferObject covering(long offset, long length) {
        boolean copiedBefore = copied;
        BufferObject object = findOrCreate(offset, length);
        if (copied && !copiedBefore) {
            warnOfCopy(object.length());
        }
        return object;
    }

    private BufferObject findOrCreate(long offset, long length) {
        lock.lock();
        try {
            for (BufferObject object : objects) {
                if (object.covers(offset, length)) {
                    return object;
                }
            }
            if (released) {
                throw new IllegalStateException("the mapping is closed");
            }
            objects.ensureCapacity(objects.size() + 1);
            BufferObject object = create(offset, length);
            objects.add(object);
            return object;
        } finally {
            lock.unlock();
        }
    }

    private BufferObject create(long offset, long length) {
        long pageSize = traits.pageSize();
        long start = offset / pageSize * pageSize;
        long needed = wholePages(offset + length - start);
        long largest = traits.maxBufferLength() / pageSize * pageSize;
        if (needed > largest) {
            throw new IllegalStateException(length + " bytes at offset " + offset
                    + " of the mapping are more than one native buffer can have on this device, " + largest
                    + ": take the handle of a slice");
        }
        // The largest object possible: the parts that follow are likely to lie within it.
        long size = Math.min(largest, wholePages(mapping.byteSize() - start));
        try {
            MemorySegment first = MemorySegment.ofAddress(mapping.address() + start);
            return takeOver(Shim.wrapPages(device.handle(), first, size), start, size);
        } catch (UnsupportedOperationException e) {
            return copy(start, Math.min(size, mapping.byteSize() - start));
        }
    }

    private BufferObject copy(long start, long size) {
        MemorySegment raw = Shim.createBuffer(device.handle(), size);
        boolean done = false;
        try {
            MemorySegment.copy(mapping, start, Shim.contents(raw).reinterpret(size), 0, size);
            done = true;
        } finally {
            // The copy throws if the file has been truncated since it was mapped.
            if (!done) {
                Shim.releaseBuffer(raw);
            }
        }
        copied = true;
        return takeOver(raw, start, size);
    }

    private BufferObject takeOver(MemorySegment raw, long start, long size) {
        try {
            return new BufferObject(raw, access, start, size);
        } catch (Throwable accessClosed) {
            Shim.releaseBuffer(raw);
            throw accessClosed;
        }
    }

    /** Rounds up to pages: mapped memory ends with a page, wherever the file ends in it. */
    private long wholePages(long length) {
        long pageSize = traits.pageSize();
        return (length + pageSize - 1) / pageSize * pageSize;
    }

    @Override
    public boolean isCopy() {
        return copied;
    }

    @Override
    public void removeLabel() {
        throw new AssertionError("the memory of a mapping is never leased again");
    }

    @Override
    public void release() {
        lock.lock();
        try {
            released = true;
            objects.forEach(BufferObject::release);
        } finally {
            lock.unlock();
        }
        pages.close();
        device.release();
    }
}
