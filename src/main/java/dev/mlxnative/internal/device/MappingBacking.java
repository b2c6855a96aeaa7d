package dev.mlxnative.internal.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.internal.background.Log;
import dev.mlxnative.internal.background.StackSafeLock;
import dev.mlxnative.internal.shim.Shim;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;

/**
 * Buffer objects over a part of the read-only mapping of a file. One object covers a part that fits into it. A larger
 * part gets its objects when a piece is first requested; they may overlap, since all of them are the same pages.
 */
final class MappingBacking implements Backing {
    private final RefCountedHandle device;
    private final DeviceTraits traits;
    private final Arena access;
    private final MappableFile file;
    private final RefCountedHandle mapping;
    /** Where the part starts in the file, in bytes: at a page. */
    private final long first;

    private final long length;
    private volatile boolean copied;

    private final StackSafeLock lock = new StackSafeLock();

    @GuardedBy("lock")
    private final ArrayList<BufferObject> objects = new ArrayList<>(1);

    @GuardedBy("lock")
    private boolean released;

    /**
     * Takes over a mapping.
     *
     * @param device acquired by the caller, released with this backing
     * @param access closed by the caller before {@link #release}
     * @param mapping acquired by the caller, released with this backing
     * @param first where the part starts in the file, in bytes: at a page
     * @param length bytes of the part, at least 1
     * @throws UncheckedIOException if the device needs a copy of the part, and the file cannot be read
     */
    MappingBacking(
            RefCountedHandle device,
            DeviceTraits traits,
            Arena access,
            MappableFile file,
            RefCountedHandle mapping,
            long first,
            long length) {
        this.device = device;
        this.traits = traits;
        this.access = access;
        this.file = file;
        this.mapping = mapping;
        this.first = first;
        this.length = length;
        if (wholePages(length) <= traits.maxBufferLength()) {
            covering(0, length);
        }
    }

    static void warnOfCopy(long bytes) {
        Log.warn("{0} bytes are copied for the device, which cannot share pages with the CPU", bytes);
    }

    /** @throws UncheckedIOException if the device needs a copy of the bytes, and the file cannot be read */
    @Override
    public BufferObject covering(long offset, long bytes) {
        boolean copiedBefore = copied;
        BufferObject object = findOrCreate(offset, bytes);
        if (copied && !copiedBefore) {
            warnOfCopy(object.length());
        }
        return object;
    }

    private BufferObject findOrCreate(long offset, long bytes) {
        lock.lock();
        try {
            for (BufferObject object : objects) {
                if (object.covers(offset, bytes)) {
                    return object;
                }
            }
            if (released) {
                throw new IllegalStateException("the mapping is closed");
            }
            objects.ensureCapacity(objects.size() + 1);
            BufferObject object = create(offset, bytes);
            objects.add(object);
            return object;
        } finally {
            lock.unlock();
        }
    }

    private BufferObject create(long offset, long bytes) {
        long pageSize = traits.pageSize();
        // A piece without bytes may be at the end, and then gets the last page.
        long start = Math.min(offset, length - 1) / pageSize * pageSize;
        long needed = wholePages(offset + bytes - start);
        long largest = traits.maxBufferLength() / pageSize * pageSize;
        if (needed > largest) {
            throw new IllegalStateException(bytes + " bytes at offset " + offset
                    + " of the mapping are more than one native buffer can have on this device, " + largest
                    + ": take the handle of a slice");
        }
        // The largest object possible: the pieces that follow are likely to lie within it.
        long size = Math.min(largest, wholePages(length - start));
        try {
            MemorySegment pages = MemorySegment.ofAddress(mapping.handle().address() + first + start);
            return Shim.wrapPages(device.handle(), pages, size, raw -> new BufferObject(raw, access, start, size));
        } catch (UnsupportedOperationException e) {
            return copy(start, Math.min(size, length - start));
        }
    }

    private BufferObject copy(long start, long size) {
        BufferObject copy = Shim.createBuffer(device.handle(), size, raw -> {
            try {
                file.read(first + start, Shim.contents(raw).reinterpret(size));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return new BufferObject(raw, access, start, size);
        });
        copied = true;
        return copy;
    }

    /** Rounds up to pages: mapped memory ends with a page, wherever the file ends in it. */
    private long wholePages(long bytes) {
        long pageSize = traits.pageSize();
        return (bytes + pageSize - 1) / pageSize * pageSize;
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
    public boolean setVolatile(boolean isVolatile) {
        throw new AssertionError("the memory of a mapping is never idle");
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
        mapping.release();
        device.release();
    }
}
