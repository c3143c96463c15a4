/// Answers that are awaited together: hears of each, in any order, and hands on all, in theirs. Used on one loop.
final class GatheredAnswers<Answer> {
    private var answers: [Answer?]
    private var missing: Int
    private let done: ([Answer]) -> Void

    /// - Parameter count: how many answers there are, at least 1; each is taken once.
    init(_ count: Int, _ done: @escaping ([Answer]) -> Void) {
        answers = Array(repeating: nil, count: count)
        missing = count
        self.done = done
    }

    func take(_ answer: Answer, at index: Int) {
        answers[index] = answer
        missing -= 1
        if missing == 0 { done(answers.compactMap { $0 }) }
    }
}
