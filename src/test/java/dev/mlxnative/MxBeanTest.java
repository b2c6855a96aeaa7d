package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import javax.management.Attribute;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import javax.management.RuntimeMBeanException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The MXBean of a pool, as the MBean server shows it. */
class MxBeanTest {
    private final MBeanServer server = ManagementFactory.getPlatformMBeanServer();
    private final MlxDevice device = MlxDevice.open();
    private final MlxBufferPool pool =
            MlxBufferPool.builder(device).name("decode, step=1").build();
    private ObjectName name;

    @BeforeEach
    void register() throws Exception {
        MlxBufferPoolMXBean bean = pool.mxBean();
        name = bean.getObjectName();
        server.registerMBean(bean, name);
    }

    @AfterEach
    void unregister() throws Exception {
        server.unregisterMBean(name);
        pool.reset();
        pool.close();
        device.close();
    }

    private Object get(String attribute) throws Exception {
        return server.getAttribute(name, attribute);
    }

    @Test
    void isFoundByTheNameOfThePool() {
        assertThat(name).hasToString("dev.mlxnative:type=MlxBufferPool,name=\"decode, step=1\"");
        assertThat(server.queryNames(name, null)).containsExactly(name);
    }

    @Test
    void showsTheStatistics() throws Exception {
        pool.alloc(30_000, DType.U8);
        pool.alloc(90_000, DType.U8).close();
        pool.alloc(90_000, DType.U8).close();
        TestFence fence = new TestFence();
        pool.release(pool.alloc(50_000, DType.U8), fence);
        PoolStats stats = pool.stats();
        assertThat(get("Name")).isEqualTo("decode, step=1");
        assertThat(get("Requests")).isEqualTo(4L);
        assertThat(get("Hits")).isEqualTo(1L);
        assertThat(get("HitRate")).isEqualTo(0.25);
        assertThat(get("NativeAllocations")).isEqualTo(3L);
        assertThat(get("FailedAllocations")).isEqualTo(0L);
        assertThat(get("ActiveCount")).isEqualTo(1);
        assertThat(get("ActiveBytes")).isEqualTo(32_768L);
        assertThat(get("RequestedBytes")).isEqualTo(30_000L);
        assertThat(get("CachedCount")).isEqualTo(1);
        assertThat(get("CachedBytes")).isEqualTo(131_072L);
        assertThat(get("ParkedCount")).isEqualTo(1);
        assertThat(get("ParkedBytes")).isEqualTo(65_536L);
        assertThat(get("FootprintBytes")).isEqualTo(stats.footprintBytes());
        assertThat(get("PeakActiveBytes")).isEqualTo(stats.peakActiveBytes());
        assertThat(get("PeakFootprintBytes")).isEqualTo(stats.peakFootprintBytes());
        assertThat(get("TrimmedBytes")).isEqualTo(0L);
        assertThat(get("LeakedCount")).isEqualTo(0L);
        assertThat(get("DeviceAllocatedBytes")).isEqualTo(device.allocatedBytes());
        fence.complete();
    }

    @Test
    void setsTheLimits() throws Exception {
        for (MBeanAttributeInfo attribute : Arrays.stream(
                        server.getMBeanInfo(name).getAttributes())
                .filter(MBeanAttributeInfo::isWritable)
                .toList()) {
            server.setAttribute(name, new Attribute(attribute.getName(), 12_000L));
            assertThat(get(attribute.getName())).as(attribute.getName()).isEqualTo(12_000L);
        }
        assertThat(pool.limits())
                .returns(12_000L, PoolLimits::memoryLimit)
                .returns(12_000L, PoolLimits::cacheLimit)
                .returns(12_000L, PoolLimits::bufferLimit)
                .returns(12_000L, PoolLimits::roundToPagesAbove)
                .returns(Duration.ofSeconds(12), PoolLimits::trimIdleAfter)
                .returns(Duration.ofSeconds(12), PoolLimits::purgeableAfter)
                .returns(Duration.ofSeconds(12), PoolLimits::waitForParked);
        assertThatThrownBy(() -> server.setAttribute(name, new Attribute("MemoryLimit", -1L)))
                .isInstanceOf(RuntimeMBeanException.class)
                .hasRootCauseInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void trims() throws Exception {
        pool.alloc(30_000, DType.U8).close();
        pool.alloc(90_000, DType.U8).close();
        assertThat(server.invoke(name, "trim", new Object[] {131_072L}, new String[] {"long"}))
                .isEqualTo(32_768L);
        assertThat(server.invoke(name, "clear", null, null)).isEqualTo(131_072L);
        assertThat(pool.freeCount()).isZero();
    }
}
