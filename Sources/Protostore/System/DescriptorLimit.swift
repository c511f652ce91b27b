import Glibc

/// How many descriptors this process may have open.
package enum DescriptorLimit {
    /// Raises the soft limit (RLIMIT_NOFILE) to the hard one, which needs no privilege.
    /// - Returns: the limit that now holds.
    package static func raiseToHardLimit() throws(SystemError) -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { throw .last("getrlimit") }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            guard setrlimit(resource, &limit) == 0 else { throw .last("setrlimit") }
        }
        return Int(clamping: limit.rlim_cur)
    }
}
