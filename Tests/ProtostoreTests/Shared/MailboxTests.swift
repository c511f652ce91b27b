import Synchronization
import Testing

@testable import Protostore

@Suite(.noHang) struct MailboxTests {
    @Test func messagesAreSeenWhenTheyArePublishedAndInOrder() {
        let mailbox = Mailbox<Int>(capacity: 5)
        var received: [Int] = []
        #expect(!mailbox.publish())
        mailbox.send(1)
        mailbox.send(2)
        #expect(!mailbox.hasMessages)
        mailbox.receive { received.append($0) }
        #expect(received == [])
        #expect(mailbox.publish())
        #expect(!mailbox.publish())
        #expect(mailbox.hasMessages)
        mailbox.send(3)
        mailbox.receive { received.append($0) }
        #expect(received == [1, 2] && !mailbox.hasMessages)
        // Eight places, over and over.
        for round in 0..<100 {
            for number in 0..<7 { mailbox.send(round * 7 + number) }
            _ = mailbox.publish()
            received = []
            mailbox.receive { received.append($0) }
            #expect(received == (round == 0 ? [3] : []) + (0..<7).map { round * 7 + $0 })
        }
    }

    @Suite struct OwnProcess {
        @Test func oneMoreThanItsCapacityIsABug() async {
            await #expect(processExitsWith: .failure) {
                let mailbox = Mailbox<Int>(capacity: 4)
                for number in 0..<5 { mailbox.send(number) }
            }
        }
    }

    @Test func aDoorbellRingsOnceForASleeperAndNeverForOneWhoIsAwake() throws {
        let doorbell = try Doorbell()
        #expect(!doorbell.ring())
        doorbell.announceSleep()
        #expect(doorbell.ring())
        #expect(!doorbell.ring())
        doorbell.announceSleep()
        doorbell.announceAwake()
        #expect(!doorbell.ring())
    }

    /// Two threads as two loops: a million messages, and answers that bound them. The
    /// receiver sleeps whenever it sees nothing; a wake-up that is lost stops both for good.
    @Test func aMillionMessagesLoseNothingAndNoWakeUp() throws {
        let count = 1_000_000
        let there = Mailbox<Int>(capacity: 64)
        let back = Mailbox<Int>(capacity: 64)
        let bells = [try Doorbell(), try Doorbell()]
        let thread = try Protostore.Thread(name: "receiver") {
            guard var sleeper = try? Sleeper(bells[1]) else { return }
            var next = 0
            while next < count {
                sleeper.wait { there.hasMessages }
                there.receive { message in
                    guard message == next else { return }
                    next += 1
                    back.send(message)
                }
                if back.publish() { bells[0].ring() }
            }
        }
        var sleeper = try Sleeper(bells[0])
        var sent = 0
        var answered = 0
        while answered < count, sleeper.timeouts == 0 {
            while sent < count, sent - answered < 64 {
                there.send(sent)
                sent += 1
                // Batches of all sizes.
                if sent % 7 == 0 { break }
            }
            if there.publish() { bells[1].ring() }
            if sent - answered == 64 || sent == count { sleeper.wait { back.hasMessages } }
            back.receive { answered += $0 == answered ? 1 : 0 }
        }
        #expect(answered == count && sleeper.timeouts == 0)
        if answered == count { thread.blockingJoin() }
    }

    /// Sleeps as an event loop does.
    private struct Sleeper: ~Copyable {
        private let doorbell: Doorbell
        private let epoll: Epoll
        private(set) var timeouts = 0

        init(_ doorbell: Doorbell) throws {
            let epoll = try Epoll(capacity: 1)
            try epoll.add(doorbell.rawDescriptor, [.readable, .edgeTriggered], data: 0)
            self.doorbell = doorbell
            self.epoll = epoll
        }

        mutating func wait(_ hasMessages: () -> Bool) {
            doorbell.announceSleep()
            defer { doorbell.announceAwake() }
            guard !hasMessages() else { return }
            let events = try? epoll.blockingWaitForEvents(timeoutMilliseconds: 20_000)
            if events == 0 { timeouts += 1 }
        }
    }
}
