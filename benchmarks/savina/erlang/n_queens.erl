-module(n_queens).
-export([main/3, worker/3]).

main(Size, Workers, Depth) ->
    Me = self(),
    Pool = [spawn_link(?MODULE, worker, [Me, Size, Depth]) || _ <- lists:seq(1, Workers)],
    Total = master([[]], Pool, Workers, 0),
    [Pid ! stop || Pid <- Pool],
    Total.

master([], Idle, Workers, Total) when length(Idle) =:= Workers -> Total;
master([Board | Boards], [Pid | Idle], Workers, Total) ->
    Pid ! {board, Board},
    master(Boards, Idle, Workers, Total);
master(Boards, Idle, Workers, Total) ->
    receive {done, Pid, More, Found} -> master(More ++ Boards, [Pid | Idle], Workers, Total + Found) end.

worker(Boss, Size, Depth) ->
    receive
        stop -> ok;
        {board, Board} when length(Board) < Depth ->
            Boss ! {done, self(), next(Board, Size), 0},
            worker(Boss, Size, Depth);
        {board, Board} ->
            Boss ! {done, self(), [], solutions(Board, length(Board), Size)},
            worker(Boss, Size, Depth)
    end.

%% A board is the columns of its queens, the latest first.
next(Board, Size) -> [[Column | Board] || Column <- lists:seq(0, Size - 1), fits(Board, Column, 1)].

solutions(_, Size, Size) -> 1;
solutions(Board, Queens, Size) -> lists:sum([solutions(More, Queens + 1, Size) || More <- next(Board, Size)]).

fits([], _, _) -> true;
fits([Other | Board], Column, Distance) ->
    Other =/= Column andalso abs(Other - Column) =/= Distance andalso fits(Board, Column, Distance + 1).
